"""The abstract job: the columns that all kinds of job share."""

from django.db import models
from django.db.models import Q

LOG_CHARS_MAX = 1 << 16  # the end of the log is kept


class Job(models.Model):
    """Work that a worker does in the background.

    PostgreSQL holds everything about it; the Celery message only wakes a worker. Every
    change of state goes through `states.move`.
    """

    class State(models.TextChoices):
        QUEUED = "queued"  # waits for a worker
        RUNNING = "running"  # a worker holds the lease
        LOST = "lost"  # its worker stopped renewing the lease; goes back to the queue
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    ACTIVE = (State.QUEUED, State.RUNNING, State.LOST)

    state = models.CharField(max_length=9, choices=State.choices, default=State.QUEUED)
    requested_by = models.CharField(max_length=200)  # user, "policy", "label studio"
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)  # of the last attempt
    finished_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)  # crashed or lost attempts
    notified_at = models.DateTimeField(null=True)  # last message to a worker

    # The lease. Each write of a worker is conditional on the fence it was given, so a
    # worker that returns after losing the lease changes nothing.
    lease_owner = models.CharField(max_length=200, blank=True)  # host:pid of the worker
    lease_expires_at = models.DateTimeField(null=True)  # the database's clock
    fence = models.PositiveIntegerField(default=0)

    progress = models.FloatField(default=0)  # 0 to 1
    done = models.BigIntegerField(default=0)  # units: tasks, rows
    total = models.BigIntegerField(default=0)  # units; 0 = unknown
    done_before = models.BigIntegerField(default=0)  # when this attempt began
    message = models.CharField(max_length=500, blank=True)  # what it is doing now
    log = models.TextField(blank=True)  # its output; only the end is kept
    error = models.TextField(blank=True)  # why it failed, as a sentence
    cancel_requested_at = models.DateTimeField(null=True)
    cancel_requested_by = models.CharField(max_length=200, blank=True)
    cancel_reason = models.TextField(blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(progress__range=(0, 1)), name="%(class)s_progress_0_1"
            )
        ]
        indexes = [
            models.Index(  # the sweeper: expired leases, jobs that wait
                fields=["state"],
                condition=Q(state__in=["queued", "running", "lost"]),
                name="%(class)s_active",
            )
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk} ({self.state})".capitalize()
