"""The inbox of waiting events, and the runs that train on them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from lsml.dataset.models import Snapshot
from lsml.environment.json_field import JsonField
from lsml.jobs.models import Job
from lsml.registry.models import ModelVersion, Project


class InboxEntry(models.Model):
    """A waiting event. Written with the audit row, deleted when a run takes it.

    The table is small and not partitioned, so neither a missing partition nor millions
    of old rows delay an event.
    """

    event_id = models.BigIntegerField(primary_key=True)  # audit.WebhookEvent
    project = models.ForeignKey(
        Project,
        models.PROTECT,
        related_name="inbox",
        db_index=False,  # inbox_by_project serves the same queries
    )
    action = models.CharField(max_length=128)
    received_at = models.DateTimeField()
    annotations = models.PositiveIntegerField(default=0)  # number that it contains
    applied_at = models.DateTimeField(null=True)  # to the dataset
    # The webhook came without its payload, which must first be fetched.
    payload_missing = models.BooleanField(default=False)
    # Given back by a run that failed or was cancelled; does not start another run.
    held = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["project", "event_id"], name="inbox_by_project")
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.event_id}"


class TrainingRun(Job):
    """One training of a project's model; several attempts after a lost worker."""

    class Trigger(models.TextChoices):
        ANNOTATIONS = "annotations"  # the policy, on new annotations
        START_TRAINING = "start_training"  # Label Studio's button
        PERSON = "person"  # admin, REST or command
        RETRY = "retry"  # a person retries a run

    project = models.ForeignKey(Project, models.PROTECT, related_name="runs")
    trigger = models.CharField(max_length=14, choices=Trigger.choices)
    metrics = JsonField(default=dict)  # the last value of each
    snapshot = models.ForeignKey(
        Snapshot, models.PROTECT, null=True, related_name="runs"
    )
    version = models.OneToOneField(
        ModelVersion, models.PROTECT, null=True, related_name="run"
    )

    class Meta(Job.Meta):
        constraints = [
            *Job.Meta.constraints,
            models.UniqueConstraint(
                fields=["project"],
                condition=Q(state__in=["queued", "running", "lost"]),
                name="one_active_run_per_project",
            ),
        ]
        indexes = [
            *Job.Meta.indexes,
            models.Index(fields=["project", "-id"], name="run_by_project"),
        ]

    def __str__(self) -> str:
        return f"Run {self.pk} ({self.state})"


class TrainingAttempt(models.Model):
    """One attempt at a run by one worker."""

    class Outcome(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"  # the training raised, crashed or exceeded a limit
        LOST = "lost"  # the worker stopped answering
        HANDED_BACK = "handed_back"  # the worker was asked to stop
        CANCELLED = "cancelled"

    run = models.ForeignKey(TrainingRun, models.PROTECT, related_name="attempt_set")
    number = models.PositiveIntegerField()  # 1, 2, …
    fence = models.PositiveIntegerField()
    worker = models.CharField(max_length=200)
    outcome = models.CharField(
        max_length=11, choices=Outcome.choices, default=Outcome.RUNNING
    )
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    # Where its artifact is stored; cleared once nothing can be there any more.
    artifact_key = models.CharField(max_length=500, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="attempt_once")
        ]
        indexes = [
            models.Index(  # the sweeper: artifacts of dead attempts
                fields=["finished_at"],
                condition=~Q(artifact_key="") & ~Q(outcome="succeeded"),
                name="attempt_to_clean_up",
            )
        ]

    def __str__(self) -> str:
        return f"Attempt {self.number} of run {self.run_id}"


class RunEventQuerySet(models.QuerySet["RunEvent"]):
    """Events that runs took."""

    def set_aside(self) -> "RunEventQuerySet":
        """Events that a legacy `fit` failed on, not yet retried; oldest first."""
        unsolved = self.exclude(error="").filter(retried_at__isnull=True)
        return unsolved.select_related("run").order_by("event_id")


class RunEvent(models.Model):
    """An event that a run took."""

    run = models.ForeignKey(TrainingRun, models.PROTECT, related_name="events")
    event_id = models.BigIntegerField(db_index=True)  # audit.WebhookEvent
    # Copied from the inbox entry, so that a failed run can give the event back.
    action = models.CharField(max_length=128)
    received_at = models.DateTimeField()
    annotations = models.PositiveIntegerField(default=0)
    # Why a legacy `fit` failed on it. Such an event is set aside: no later run takes it
    # until a person retries it.
    error = models.TextField(blank=True)
    retried_at = models.DateTimeField(null=True)

    objects = RunEventQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "event_id"], name="run_event_once")
        ]
        indexes = [
            models.Index(
                fields=["run", "event_id"],
                condition=~Q(error="") & Q(retried_at__isnull=True),
                name="run_event_set_aside",
            )
        ]

    def __str__(self) -> str:
        return f"Event {self.event_id} in run {self.run_id}"


class MetricPoint(models.Model):
    """The metrics at one step of a run, for plots."""

    run = models.ForeignKey(TrainingRun, models.CASCADE, related_name="points")
    attempt = models.PositiveIntegerField()
    step = models.PositiveIntegerField()  # number of the progress call, from 1
    at = models.DateTimeField()
    fraction = models.FloatField()  # progress at that step
    values = JsonField()  # name -> number

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "attempt", "step"], name="metric_point_once"
            )
        ]

    def __str__(self) -> str:
        return f"Step {self.step} of run {self.run_id}"


class OutOfSample(models.Model):
    """How probable models that did not learn from a task find its labels.

    As the newest version that a run made reported it, such as by cross-validation.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="out_of_sample")
    version = models.ForeignKey(ModelVersion, models.CASCADE)
    control = models.TextField()  # name of the Choices tag
    labels = JsonField()  # list of strings
    task_ids = ArrayField(models.BigIntegerField())  # Label Studio's
    # 32-bit floats, little-endian: for each task, in this order, one of each label.
    probabilities = models.BinaryField()

    def __str__(self) -> str:
        return f"Out-of-sample probabilities of {self.control} by {self.version}"
