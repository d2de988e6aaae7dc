"""What the checks for drift found."""

from django.db import models

from lsml.environment.json_field import JsonField
from lsml.registry.models import Project


class DriftCheck(models.Model):
    """One check of the version that a project served. Kept for 30 days.

    It has shares and medians, and no task's text.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="drift_checks")
    model_version = models.CharField(max_length=200)
    checked_at = models.DateTimeField()
    latest_prediction = models.BigIntegerField()  # of the version; key of the audit row
    live_tasks = models.PositiveIntegerField()  # predicted lately, not trained on
    features = JsonField(default=list)  # the fields of `Feature`, of each
    notes = JsonField(default=list)  # what was not compared, or in part; sentences

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="drift_by_project")]

    def __str__(self) -> str:
        return f"Drift of {self.model_version}"

    @property
    def differing(self) -> set[str]:
        """The names of the features that differ."""
        return {each["name"] for each in self.features if each["differs"]}

    @property
    def sentences(self) -> list[str]:
        """What differs."""
        return [each["sentence"] for each in self.features if each["differs"]]

    @property
    def warning(self) -> str:
        """Why not to rely on the expected agreement; empty = nothing differs."""
        if not self.sentences:
            return ""
        return (
            "Do not rely on the expected agreement: with this drift, a score may no"
            " longer mean what it meant."
        )

    @property
    def summary(self) -> str:
        """The result in a sentence."""
        if self.sentences:
            return " ".join(self.sentences)
        if self.features:
            return f"No drift on {self.live_tasks} tasks."
        return "Drift is not known."
