"""Groups of errors, and where the next reading of the audit log begins."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from lsml.registry.models import Project


class ErrorGroup(models.Model):
    """Failures of a project with the same type of error and the same wording."""

    class Source(models.TextChoices):
        PREDICTION = "prediction", "prediction"
        RUN = "run", "training run"

    project = models.ForeignKey(Project, models.CASCADE, related_name="error_groups")
    source = models.CharField(max_length=10, choices=Source.choices)
    pattern = models.CharField(max_length=300)  # the error without values, `pattern.py`
    count = models.BigIntegerField()  # failed predictions, or runs
    # The versions that failed, the latest last. A run that failed made none.
    versions = ArrayField(models.CharField(max_length=200), default=list)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    example_id = models.BigIntegerField()  # the latest: key of a prediction or a run

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "source", "pattern"], name="error_group_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["project", "-last_seen_at"], name="error_group_by_project"
            ),
            models.Index(fields=["-last_seen_at"], name="error_group_by_time"),
        ]

    def __str__(self) -> str:
        return self.pattern


class ErrorPosition(models.Model):
    """The last seal whose rows were grouped, one for each source."""

    source = models.CharField(
        max_length=10, choices=ErrorGroup.Source.choices, primary_key=True
    )
    seal_number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.source}: seal {self.seal_number}"
