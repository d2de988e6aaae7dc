"""Predictions, webhook events and audit entries. PostgreSQL refuses to change them.

The tables are partitioned by month. They have a column `txid`, which Django does not
know and the sealer reads.
"""

from datetime import datetime, timedelta
from typing import Self, TypeVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Max, Q
from django.utils import timezone

from lsml.audit.fields import SEQUENCE_BITS, TimeOrderedId, first_id_at
from lsml.audit.models.hours import PredictionHour
from lsml.audit.models.seals import Seal
from lsml.environment.json_field import JsonField

_Row_co = TypeVar("_Row_co", bound="AuditRow", covariant=True)


class AuditQuerySet(models.QuerySet[_Row_co]):
    """Reads that use the indexes and skip partitions."""

    def since(self, moment: datetime) -> Self:
        """Rows written at or after `moment`."""
        return self.filter(pk__gte=first_id_at(moment))

    def before(self, moment: datetime) -> Self:
        """Rows written before `moment`."""
        return self.filter(pk__lt=first_id_at(moment))

    def for_project(self, project_pk: int) -> Self:
        """Rows of one project; `project_pk` is the registry's key."""
        return self.filter(project_pk=project_pk)


class PredictionQuerySet(AuditQuerySet["Prediction"]):
    """Reads of predictions."""

    def with_facts(
        self,
        *,
        project_pk: int | None = None,
        model_version: str | None = None,
        outcome: str | None = None,
        kind: str | None = None,
    ) -> Self:
        """Rows that match all given facts.

        The hourly counts give the last hour with such rows, or say that there are none.
        Without that bound, the search for a version that is no longer used would read
        all later rows, and the search for a kind that never occurred the whole table.
        """
        facts = {
            name: value
            for name, value in (
                ("project_pk", project_pk),
                ("model_version", model_version),
                ("outcome", outcome),
                ("kind", kind),
            )
            if value is not None
        }
        rows = self.filter(**facts)
        if not facts:
            return rows
        latest = PredictionHour.objects.filter(**facts).aggregate(at=Max("hour"))["at"]
        if latest and latest >= timezone.now() - timedelta(hours=3):
            return rows
        # Rows that are not sealed yet are not counted yet.
        if rows.filter(pk__gt=_sealed_up_to()).exists():
            return rows
        return rows.before(latest + timedelta(hours=2)) if latest else rows.none()


def _sealed_up_to() -> int:
    """Return an id below those of all predictions that may still be unsealed.

    A minute below the last sealed id, for transactions that stay open that long.
    """
    seals = Seal.objects.filter(table="audit_prediction").order_by("-number")
    sealed = seals.values_list("last_id", flat=True).first() or 0
    return sealed - (60_000 << SEQUENCE_BITS)


class AuditRow(models.Model):
    """Base of the audit rows: which request wrote them, and for which project."""

    request_id = models.CharField(max_length=64)  # X-Request-ID of the HTTP request
    client = models.CharField(max_length=200)  # user and address, or the program
    # The registry's key as a plain integer: a foreign key would tie partitions, which
    # retention drops, to another table. Null = no project.
    project_pk = models.BigIntegerField(null=True)

    class Meta:
        abstract = True


class Prediction(AuditRow):
    """One answer to one Label Studio task. Written before the answer is sent."""

    class Kind(models.TextChoices):
        BATCH = "batch"  # "Retrieve predictions", or a person opened a task
        INTERACTIVE = "interactive"  # with a context, while a person annotates
        BULK = "bulk"  # a prediction job over many tasks
        SHADOW = "shadow"  # by a version under test; never sent

    # Of answers to the task alone, by the version that was served.
    TASK_KINDS = (Kind.BATCH, Kind.BULK)

    class Outcome(models.TextChoices):
        OK = "ok"  # a prediction
        EMPTY = "empty"  # the model returned no prediction for this task
        ERROR = "error"  # the model raised, or returned what cannot be sent

    id = models.BigIntegerField(
        primary_key=True, db_default=TimeOrderedId("audit_prediction_id_seq")
    )
    created_at = models.DateTimeField()  # when the request was read
    task_id = models.BigIntegerField(null=True)  # Label Studio's id
    model_version = models.CharField(max_length=200)  # as sent to Label Studio
    kind = models.CharField(max_length=11, choices=Kind.choices)
    outcome = models.CharField(max_length=5, choices=Outcome.choices)
    # Not sent to Label Studio, see `lsml/inference/withheld.py`.
    withheld = models.BooleanField(default=False, db_default=False)
    score = models.FloatField(null=True)  # the model's confidence; null = not given
    result = JsonField(null=True)  # list of regions; null = no prediction
    context = JsonField(null=True)  # what an interactive request carried
    input_digest = models.CharField(max_length=64)  # SHA-256 of the task's data
    input = JsonField(null=True)  # the data itself if AUDIT_INPUTS=full
    latency_ms = models.FloatField()  # of predict(), for the whole request
    batch_size = models.PositiveIntegerField()  # tasks of that request
    error = models.TextField(blank=True)  # a sentence; secrets masked

    objects = PredictionQuerySet.as_manager()

    class Meta:
        indexes = [
            # Admin: errors alone. They are few, so the index is small.
            models.Index(
                fields=["-id"], condition=Q(outcome="error"), name="prediction_errors"
            ),
            # Those not shown alone: few or none as well.
            models.Index(
                fields=["-id"], condition=Q(withheld=True), name="prediction_withheld"
            ),
            models.Index(fields=["task_id", "-id"], name="prediction_by_task"),
            models.Index(
                fields=["project_pk", "model_version", "-id"],
                name="prediction_by_version",
            ),
            models.Index(fields=["request_id"], name="prediction_by_request"),
        ]

    def __str__(self) -> str:
        return f"Prediction {self.pk} of task {self.task_id} by {self.model_version}"


class WebhookEvent(AuditRow):
    """A webhook of Label Studio. Committed before the 2xx."""

    id = models.BigIntegerField(
        primary_key=True, db_default=TimeOrderedId("audit_webhookevent_id_seq")
    )
    received_at = models.DateTimeField()
    action = models.CharField(max_length=100)  # ANNOTATION_CREATED, …
    task_id = models.BigIntegerField(null=True)  # null = none, or several
    annotation_ids = ArrayField(models.BigIntegerField(), default=list)
    payload = JsonField()  # the body; secrets masked
    digest = models.CharField(max_length=64)  # SHA-256 of the body as received

    objects = AuditQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["project_pk", "-id"], name="event_by_project"),
            models.Index(fields=["task_id", "-id"], name="event_by_task"),
            models.Index(fields=["request_id"], name="event_by_request"),
        ]

    def __str__(self) -> str:
        return f"Event {self.pk} {self.action}"


class AuditEntry(AuditRow):
    """An action other than a prediction or a webhook: who did what, and why."""

    class Verb(models.TextChoices):
        """What was done, in the past tense."""

        # Projects and versions
        PROJECT_CONNECTED = "connected to label studio"
        PROJECT_RECONNECTED = "project connected again"
        PROJECT_ARCHIVED = "project archived"
        LABEL_CONFIG_CHANGED = "label config changed"
        POLICY_CHANGED = "policy changed"
        TASK_ORDER_CHANGED = "task order changed"  # in Label Studio
        DATASET_SYNCED = "dataset synced"
        ANNOTATION_CONFIRMED = "annotation confirmed"  # a suspicious one, found right
        VERSION_CREATED = "version created"
        VERSION_NOTED = "version noted"
        PROMOTION_REFUSED = "promotion refused"
        SHADOW_STARTED = "shadow started"
        SHADOW_STOPPED = "shadow stopped"
        ARTIFACT_DOWNLOADED = "artifact downloaded"
        # Jobs
        TRAINING_STARTED = "training started"
        TRAINING_RETRIED = "training retried"
        TRAINING_CANCELLED = "training cancelled"
        TRAINING_SUCCEEDED = "training succeeded"
        TRAINING_FAILED = "training failed"
        BULK_REQUESTED = "bulk prediction requested"
        BULK_RETRIED = "bulk prediction retried"
        BULK_CANCELLED = "bulk prediction cancelled"
        PREDICTIONS_REMOVED = "predictions removed from label studio"
        VERIFY_REQUESTED = "verify requested"
        VERIFY_RETRIED = "verify retried"
        VERIFY_CANCELLED = "verify cancelled"
        VERIFY_SUCCEEDED = "verify succeeded"
        VERIFY_FAILED = "verify failed"
        EXPORT_REQUESTED = "export requested"
        EXPORT_RETRIED = "export retried"
        EXPORT_CANCELLED = "export cancelled"
        EXPORT_SUCCEEDED = "export succeeded"
        EXPORT_FAILED = "export failed"
        EVALUATION_REQUESTED = "evaluation requested"
        EVALUATION_RETRIED = "evaluation retried"
        EVALUATION_CANCELLED = "evaluation cancelled"
        EVALUATION_FAILED = "evaluation failed"
        VERSION_EVALUATED = "version evaluated"  # with the promotion policy's verdict
        # Data that left the service
        EXPORT_DOWNLOADED = "export downloaded"
        LIST_EXPORTED = "list exported"
        TRAIL_EXPORTED = "trail exported"  # by `manage.py audit export`
        BACKUP_MADE = "backup made"
        BACKUP_RESTORED = "backup restored"
        # People and credentials
        ALARM_ACKNOWLEDGED = "alarm acknowledged"
        LOGGED_IN = "logged in"
        LOGGED_OUT = "logged out"
        LOGIN_REFUSED = "login refused"
        CREDENTIALS_REFUSED = "credentials refused"
        TOKEN_MADE = "token made"  # noqa: S105 - the name of an action
        TOKEN_REVOKED = "token revoked"  # noqa: S105
        USER_CREATED = "user created"
        USER_CHANGED = "user changed"

    id = models.BigIntegerField(
        primary_key=True, db_default=TimeOrderedId("audit_auditentry_id_seq")
    )
    at = models.DateTimeField()
    # A user name, "policy", "worker" or "label studio".
    actor = models.CharField(max_length=200)
    verb = models.CharField(max_length=100, choices=Verb.choices)
    target = models.CharField(max_length=200)  # such as "version v3"
    reason = models.TextField(blank=True)  # as the person wrote it
    detail = JsonField(default=dict)  # facts of this verb; secrets masked

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["project_pk", "-id"], name="entry_by_project"),
            models.Index(fields=["verb", "-id"], name="entry_by_verb"),
            models.Index(fields=["request_id"], name="entry_by_request"),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.verb} {self.target}"
