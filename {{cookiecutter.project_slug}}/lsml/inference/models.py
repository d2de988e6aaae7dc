"""Bulk predictions. A single prediction is an audit row."""

from django.db import models

from lsml.jobs.models import Job
from lsml.registry.models import Project


class PredictionJob(Job):
    """A prediction of all known tasks of a project. Counts tasks."""

    project = models.ForeignKey(Project, models.PROTECT, related_name="prediction_jobs")
    model_version = models.CharField(max_length=200, blank=True)
    last_task_id = models.BigIntegerField(default=0)  # where a resumed job goes on
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
