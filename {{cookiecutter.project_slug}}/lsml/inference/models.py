"""Bulk predictions. A single prediction is an audit row."""

from django.db import models

from lsml.registry.models import Project


class PredictionJob(models.Model):
    """A prediction of many known tasks, with progress."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    project = models.ForeignKey(Project, models.PROTECT, related_name="prediction_jobs")
    state = models.CharField(max_length=9, choices=State.choices, default=State.QUEUED)
    model_version = models.CharField(max_length=200, blank=True)
    total = models.PositiveIntegerField(default=0)  # tasks
    done = models.PositiveIntegerField(default=0)
    last_task_id = models.BigIntegerField(default=0)  # where a resumed job goes on
    errors = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    # The process at work renews both; a silent one's job is taken over.
    runner = models.CharField(max_length=64, blank=True)
    heartbeat_at = models.DateTimeField(null=True)  # the database's clock
    requested_by = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project"],
                condition=models.Q(state__in=["queued", "running"]),
                name="one_active_job_per_project",
            )
        ]

    def __str__(self) -> str:
        return f"Job {self.pk}: {self.done} of {self.total}"
