"""Bulk predictions, and versions in shadow.

Each single prediction is a row of `audit.Prediction`.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from lsml.environment.json_field import JsonField
from lsml.jobs.models import Job
from lsml.registry.models import ModelVersion, Project


class PredictionJob(Job):
    """Predicts known tasks of a project. `done` and `total` count tasks.

    The counts add up to what is settled, which is up to `last_task_id`. A resumed job
    starts after it.
    """

    class Only(models.TextChoices):
        WITHOUT_THIS_VERSION = "without-this-version", "Without this version"
        UNLABELLED = "unlabelled", "Of these, without an annotation"

    COUNTS = (
        "predicted",
        "sent",
        "already_there",
        "withheld",
        "invalid",
        "gone",
        "failed",
    )

    project = models.ForeignKey(Project, models.PROTECT, related_name="prediction_jobs")
    only = models.CharField(
        max_length=20, choices=Only.choices, default=Only.WITHOUT_THIS_VERSION
    )
    task_ids = ArrayField(models.BigIntegerField(), default=list)  # empty = all
    view = models.BigIntegerField(null=True)  # Label Studio's ID; null = all
    replace = models.BooleanField(default=False)  # first remove those of this version
    delete_older = models.BooleanField(default=False)  # those of older versions
    model_version = models.CharField(max_length=200, blank=True)

    last_task_id = models.BigIntegerField(default=0)  # our key, not Label Studio's ID
    predicted = models.PositiveIntegerField(default=0)  # the model answered
    sent = models.PositiveIntegerField(default=0)  # Label Studio stored the answer
    already_there = models.PositiveIntegerField(default=0)  # it had one; not predicted
    withheld = models.PositiveIntegerField(default=0)  # not sent, see `withheld.py`
    invalid = models.PositiveIntegerField(default=0)  # the label config does not allow
    gone = models.PositiveIntegerField(default=0)  # deleted in Label Studio
    failed = models.PositiveIntegerField(default=0)  # the model raised

    removed = models.PositiveIntegerField(default=0)  # predictions of older versions
    # While predictions are removed: the version that the project in Label Studio shows.
    shown_version = models.TextField(blank=True)

    # What is being sent, and since when by the database's clock. If the worker dies,
    # the next one does not know whether Label Studio stored it, and asks.
    sending = JsonField(null=True)
    sending_at = models.DateTimeField(null=True)

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

    @property
    def needs_label_studio(self) -> bool:
        """Whether the job needs access to Label Studio."""
        return self.replace or self.delete_older or self.view is not None

    @property
    def lacking(self) -> int:
        """Tasks that got no prediction although they are still in Label Studio."""
        return self.failed + self.invalid

    def summary(self) -> str:
        """Return what became of the tasks, in one sentence."""
        parts = [
            (self.predicted, f"predicted by {self.model_version}"),
            (self.sent, "sent to Label Studio"),
            (self.already_there, "already there"),
            (self.withheld, "not shown"),
            (self.invalid, "invalid"),
            (self.gone, "deleted in Label Studio"),
            (self.failed, "failed"),
        ]
        found = ", ".join(f"{count:,} {what}" for count, what in parts if count)
        said = f"{self.total:,} tasks: {found or 'nothing done'}."
        if not self.total:
            said = "There is nothing to predict."
        if self.delete_older:
            said += f" {self.removed:,} predictions of older versions removed."
        return said


class ViewedTasks(models.Model):
    """The tasks in the view of a job, as it was when the job began.

    Predictions may change what a view shows, so a resumed job does not look again.
    """

    job = models.OneToOneField(
        PredictionJob, models.CASCADE, primary_key=True, related_name="viewed"
    )
    task_ids = ArrayField(models.BigIntegerField())  # Label Studio's IDs

    def __str__(self) -> str:
        return f"View of job {self.job_id}"


class PredictionProblem(models.Model):
    """Why a task has no new prediction in Label Studio."""

    class Kind(models.TextChoices):
        INVALID = "invalid"  # the answer does not fit the label config
        GONE = "gone"  # the task was deleted in Label Studio
        FAILED = "failed"  # the model raised

    KEPT_MAX = 10_000  # per job; the counts of the job are complete

    job = models.ForeignKey(PredictionJob, models.CASCADE, related_name="problems")
    task_id = models.BigIntegerField()  # Label Studio's ID
    kind = models.CharField(max_length=7, choices=Kind.choices)
    reason = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "task_id"], name="problem_once")
        ]

    def __str__(self) -> str:
        return f"Task {self.task_id}: {self.kind}"


class Shadow(models.Model):
    """How far a version has followed the live predictions of its project."""

    version = models.OneToOneField(
        ModelVersion, models.CASCADE, primary_key=True, related_name="shadow"
    )
    seal_number = models.BigIntegerField()  # the last whose tasks were looked at
    dropped = models.BigIntegerField(default=0)  # tasks beyond those that may wait
    lease_expires_at = models.DateTimeField(null=True)  # null = it does not predict now

    def __str__(self) -> str:
        return f"Shadow {self.version_id}"


class ShadowTask(models.Model):
    """A task that was chosen for a version in shadow."""

    class State(models.TextChoices):
        WAITING = "waiting"
        PREDICTED = "predicted"
        FAILED = "failed"  # the model raised
        UNKNOWN = "unknown"  # its data is not in the dataset

    shadow = models.ForeignKey(Shadow, models.CASCADE, related_name="tasks")
    task_id = models.BigIntegerField()  # Label Studio's ID
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shadow", "task_id"], name="shadow_task_once"
            )
        ]
        indexes = [
            models.Index(fields=["shadow", "state", "-id"], name="shadow_task_by_state")
        ]

    def __str__(self) -> str:
        return f"Task {self.task_id}: {self.state}"
