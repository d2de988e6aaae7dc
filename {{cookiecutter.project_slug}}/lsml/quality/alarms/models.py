"""Alarms, the messages that tell people of them, and when was checked last."""

from typing import Final, Self

from django.db import models
from django.db.models import Q

from lsml.registry.models import Project

STATES: Final = ("open", "acknowledged", "cleared")  # of those that have opened


class AlarmQuerySet(models.QuerySet["Alarm"]):
    """Reads of alarms."""

    def opened(self) -> Self:
        """Alarms that a second check has confirmed, cleared or not."""
        return self.exclude(opened_at=None)

    def open(self) -> Self:
        """Confirmed alarms that have not cleared."""
        return self.opened().filter(cleared_at=None)

    def in_state(self, state: str) -> Self:
        """Alarms in one of STATES."""
        if state == "cleared":
            return self.exclude(cleared_at=None)
        is_waiting = state == "open"
        return self.open().filter(acknowledged_at__isnull=is_waiting)


class Alarm(models.Model):
    """A condition that a person should look at, from its first to its last check.

    `lifecycle.py` says when it opens and clears.
    """

    class Kind(models.TextChoices):
        """One for each function in `conditions.py`."""

        FAILING_PREDICTIONS = "failing_predictions", "failing predictions"
        INVALID_ANSWERS = "invalid_answers", "invalid answers"
        LOST_LABELS = "lost_labels", "lost labels"
        FAILED_RUN = "failed_run", "failed run"
        VERSION_HELD_BACK = "version_held_back", "version held back"
        VERSION_ROLLED_BACK = "version_rolled_back", "version rolled back"
        EVALUATION_FAILED = "evaluation_failed", "evaluation failed"
        AGREEMENT_DROPPED = "agreement_dropped", "agreement dropped"
        DRIFT = "drift", "drift"
        EVENTS_WAITING = "events_waiting", "events waiting"
        NOT_FOLLOWING = "not_following", "not following"
        SEALING_LATE = "sealing_late", "sealing late"
        MODEL_PROCESS_DOWN = "model_process_down", "model process down"
        NO_WORKER = "no_worker", "no worker"

    kind = models.CharField(max_length=30, choices=Kind.choices)
    # null = it concerns the whole service
    project = models.ForeignKey(
        Project, models.CASCADE, null=True, related_name="alarms"
    )
    subject = models.CharField(max_length=200, blank=True)  # such as a version
    sentence = models.TextField()  # as of the last check in which it held
    next_step = models.TextField()
    first_seen_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)  # null = seen in one check only
    last_seen_at = models.DateTimeField()
    missed_checks = models.PositiveSmallIntegerField(default=0)  # since then
    cleared_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=200, blank=True)

    objects = AlarmQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "project", "subject"],
                condition=Q(cleared_at=None),
                nulls_distinct=False,
                name="one_open_alarm_per_subject",
            )
        ]

    def __str__(self) -> str:
        return f"{self.project}: {self.sentence}" if self.project else self.sentence

    @property
    def state(self) -> str:
        """Where it is in its life, in a word or two."""
        if self.cleared_at:
            return "cleared"
        if self.acknowledged_at:
            return "acknowledged"
        return "open" if self.opened_at else "not confirmed"


class AlarmMessage(models.Model):
    """A message about an alarm that is to be sent, was sent, or was given up."""

    class Channel(models.TextChoices):
        WEBHOOK = "webhook", "webhook"
        EMAIL = "email", "e-mail"

    class News(models.TextChoices):
        OPENED = "opened", "opened"
        CLEARED = "cleared", "cleared"

    alarm = models.ForeignKey(Alarm, models.CASCADE, related_name="messages")
    channel = models.CharField(max_length=7, choices=Channel.choices)
    news = models.CharField(max_length=7, choices=News.choices)
    created_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)  # null = sent, or given up
    sent_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)  # of the last attempt, as a sentence

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alarm", "channel", "news"], name="alarm_message_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="alarm_messages_to_send",
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel}: alarm {self.alarm_id} {self.news}"


class AlarmCheck(models.Model):
    """When the conditions were checked last, and by whom they are now. One row."""

    checked_at = models.DateTimeField(null=True)  # the end of the last check
    lease_expires_at = models.DateTimeField(null=True)  # null = no check is under way

    def __str__(self) -> str:
        return f"checked at {self.checked_at}"
