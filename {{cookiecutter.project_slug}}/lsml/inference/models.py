"""Bulk predictions. Each single prediction is a row of `audit.Prediction`."""

from django.db import models

from lsml.jobs.models import Job
from lsml.registry.models import Project


class PredictionJob(Job):
    """Predicts all known tasks of a project. `done` and `total` count tasks."""

    project = models.ForeignKey(Project, models.PROTECT, related_name="prediction_jobs")
    model_version = models.CharField(max_length=200, blank=True)
    last_task_id = models.BigIntegerField(default=0)  # a resumed job starts after it
    errors = models.PositiveIntegerField(default=0)  # tasks that the model failed on

    class Meta(Job.Meta):
        verbose_name = "bulk prediction"
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["project"],
                condition=models.Q(state__in=["queued", "running", "lost"]),
                name="one_active_job_per_project",
            ),
        ]
