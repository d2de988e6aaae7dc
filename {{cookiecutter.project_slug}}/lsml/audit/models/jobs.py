"""Verifications and exports as jobs."""

from django.db import models

from lsml.environment.json_field import JsonField
from lsml.jobs.models import Job


class AuditJob(Job):
    """A verification or an export. `done` and `total` count rows."""

    class Kind(models.TextChoices):
        VERIFY = "verify", "Verification"  # checks the sealed rows against their seals
        EXPORT = "export", "Export"  # a ZIP of the sealed rows of a time range

    kind = models.CharField(max_length=6, choices=Kind.choices)
    since = models.DateTimeField(null=True)  # rows or seals from then on; null = all
    until = models.DateTimeField(null=True)  # export: rows before then
    file_format = models.CharField(max_length=10, blank=True)  # of an export
    report = JsonField(default=dict)  # the findings, or the manifest's counts
    file_key = models.CharField(max_length=200, blank=True)  # in the artifact storage

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk} ({self.state})"
