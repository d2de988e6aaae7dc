"""Counts of checked answers, and where the next check begins."""

from django.db import models

from lsml.registry.models import Project


class AnswerCheck(models.Model):
    """How many live answers of a version were checked, and how many do not fit.

    Answers that were not checked are not counted: a check takes a sample.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="answer_checks")
    model_version = models.CharField(max_length=200)  # also "0.0.1", the untrained one
    checked = models.BigIntegerField(default=0)
    invalid = models.BigIntegerField(default=0)  # of these
    first_checked_at = models.DateTimeField()
    last_checked_at = models.DateTimeField()
    last_invalid_at = models.DateTimeField(null=True)  # null = all answers fit
    # The example is the last invalid answer.
    example_prediction_id = models.BigIntegerField(null=True)  # key of the audit row
    example_task_id = models.BigIntegerField(null=True)  # Label Studio's ID
    example_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "model_version"], name="answer_check_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.invalid} of {self.checked} answers of {self.model_version}"


class AnswerCheckPosition(models.Model):
    """The last seal whose predictions were looked at. One row."""

    seal_number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"seal {self.seal_number}"
