"""What the test for drops of live agreement knows about each version."""

from django.db import models

from lsml.environment.json_field import JsonField
from lsml.registry.models import Project


class AgreementWatch(models.Model):
    """The test of one version."""

    project = models.ForeignKey(
        Project, models.CASCADE, related_name="agreement_watches"
    )
    model_version = models.CharField(max_length=200)
    detector = JsonField(default=dict)  # the fields of `DropDetector`
    # When the annotation was made with which the evidence began; null = there is none.
    falling_since = models.DateTimeField(null=True)
    dropped_at = models.DateTimeField(null=True)  # reported; null = there is no drop

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "model_version"], name="agreement_watch_once"
            )
        ]

    def __str__(self) -> str:
        return f"Agreement of {self.model_version}"
