"""Errands that a person sends a worker on."""

from django.db import models


class AuditJob(models.Model):
    """A verification or an export that takes longer than a page may."""

    class Kind(models.TextChoices):
        VERIFY = "verify"  # check the sealed rows against their seals
        EXPORT = "export"  # a ZIP of sealed rows of a time range

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    kind = models.CharField(max_length=6, choices=Kind.choices)
    state = models.CharField(max_length=9, choices=State.choices, default=State.QUEUED)
    since = models.DateTimeField(null=True)  # rows or seals from then on; null = all
    until = models.DateTimeField(null=True)  # export: rows before then
    file_format = models.CharField(max_length=10, blank=True)  # of an export
    total = models.BigIntegerField(default=0)  # rows to do
    done = models.BigIntegerField(default=0)  # rows done, every second or so
    report = models.JSONField(default=dict)  # what was found, or the manifest's counts
    file_key = models.CharField(max_length=200, blank=True)  # in the artifact storage
    error = models.TextField(blank=True)
    requested_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def progress(self) -> float:
        """0 to 1."""
        if self.state == self.State.SUCCEEDED:
            return 1.0
        return min(self.done / self.total, 1.0) if self.total else 0.0
