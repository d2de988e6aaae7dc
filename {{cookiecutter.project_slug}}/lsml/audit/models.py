"""Append-only rows. The database refuses UPDATE, DELETE and TRUNCATE on each table.

The large tables are partitioned by month (see migrations/0001) and carry a column
`txid` that Django does not know: the sealer reads it. Counts per hour, at the end of
this file, are the exception: they are kept up to date.
"""

from datetime import datetime, timedelta
from typing import Self, TypeVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Max, Q
from django.utils import timezone

from lsml.audit.fields import SEQUENCE_BITS, TimeOrderedId, first_id_at
from lsml.jobs.models import Job

_Row_co = TypeVar("_Row_co", bound="AuditRow", covariant=True)


class AuditQuerySet(models.QuerySet[_Row_co]):
    """Reads that keep to the indexes and partitions."""

    def since(self, moment: datetime) -> Self:
        """Rows written at or after `moment`."""
        return self.filter(pk__gte=first_id_at(moment))

    def before(self, moment: datetime) -> Self:
        """Rows written before `moment`."""
        return self.filter(pk__lt=first_id_at(moment))

    def for_project(self, project_id: int) -> Self:
        """Rows of one project, by the registry's key."""
        return self.filter(project_id=project_id)

    def newest_first(self) -> Self:
        """By id, which is by time."""
        return self.order_by("-pk")

    def older_than(self, row_id: int) -> Self:
        """What a page that ends with `row_id`, newest first, goes on with."""
        return self.filter(pk__lt=row_id)


class PredictionQuerySet(AuditQuerySet["Prediction"]):
    """Reads of predictions."""

    def with_facts(
        self,
        *,
        project_id: int | None = None,
        model_version: str | None = None,
        outcome: str | None = None,
        kind: str | None = None,
    ) -> Self:
        """Rows that agree in all facts given.

        The hourly counts know between which hours such rows lie; without that, a
        version that fell out of use would be sought through all that came after it.
        """
        facts = {
            name: value
            for name, value in (
                ("project_id", project_id),
                ("model_version", model_version),
                ("outcome", outcome),
                ("kind", kind),
            )
            if value is not None
        }
        rows = self.filter(**facts)
        latest = PredictionHour.objects.filter(**facts).aggregate(at=Max("hour"))["at"]
        long_ago = timezone.now() - timedelta(hours=3)
        out_of_use = facts and latest and latest < long_ago
        # What is not sealed yet is not counted either.
        if out_of_use and not rows.filter(pk__gt=_sealed_up_to()).exists():
            rows = rows.before(latest + timedelta(hours=2))
        return rows


def _sealed_up_to() -> int:
    """An id below those of all predictions that may still be unsealed.

    A transaction that stayed open for a minute may have written smaller ones.
    """
    seals = Seal.objects.filter(table="audit_prediction").order_by("-number")
    sealed = seals.values_list("last_id", flat=True).first() or 0
    return sealed - (60_000 << SEQUENCE_BITS)


class AuditRow(models.Model):
    """What every audit row has."""

    request_id = models.CharField(max_length=64)  # X-Request-ID of the HTTP request
    client = models.CharField(max_length=200)  # credential and address, who called
    # The registry's key, not Label Studio's id and no foreign key: partitions are
    # dropped without asking other tables. Null = the row belongs to no project.
    project_id = models.BigIntegerField(null=True)

    class Meta:
        abstract = True


class Prediction(AuditRow):
    """One answer to one Label Studio task. Written before the answer is sent."""

    class Kind(models.TextChoices):
        BATCH = "batch"  # "Retrieve predictions", or a task that is opened
        INTERACTIVE = "interactive"  # asked with a context, while someone annotates
        BULK = "bulk"  # our own job over many tasks
        SHADOW = "shadow"  # by a version that is tried out; never sent

    class Outcome(models.TextChoices):
        OK = "ok"  # a prediction
        EMPTY = "empty"  # the model had nothing to say about this task
        ERROR = "error"  # the model raised, or returned what cannot be sent

    id = models.BigIntegerField(
        primary_key=True, db_default=TimeOrderedId("audit_prediction_id_seq")
    )
    created_at = models.DateTimeField()  # when the request was read
    task_id = models.BigIntegerField(null=True)  # Label Studio's id
    model_version = models.CharField(max_length=200)  # as sent to Label Studio
    kind = models.CharField(max_length=11, choices=Kind.choices)
    outcome = models.CharField(max_length=5, choices=Outcome.choices)
    score = models.FloatField(null=True)  # the model's confidence; null = not given
    result = models.JSONField(null=True)  # list of regions; null = no prediction
    context = models.JSONField(null=True)  # what an interactive request carried
    input_digest = models.CharField(max_length=64)  # SHA-256 of the task's data
    input = models.JSONField(null=True)  # the data itself where AUDIT_INPUTS=full
    latency_ms = models.FloatField()  # predict() for the whole request
    batch_size = models.PositiveIntegerField()  # tasks of that request
    error = models.TextField(blank=True)  # a sentence; secrets masked

    objects = PredictionQuerySet.as_manager()

    class Meta:
        indexes = [
            # Few rows, so it costs nothing; the admin asks for them by themselves.
            models.Index(
                fields=["-id"], condition=Q(outcome="error"), name="prediction_errors"
            ),
            models.Index(fields=["task_id", "-id"], name="prediction_by_task"),
            models.Index(
                fields=["project_id", "model_version", "-id"],
                name="prediction_by_version",
            ),
            models.Index(fields=["request_id"], name="prediction_by_request"),
        ]

    def __str__(self) -> str:
        return f"Prediction {self.pk} of task {self.task_id} by {self.model_version}"


class WebhookEvent(AuditRow):
    """What Label Studio told us by webhook. Committed before the 2xx."""

    id = models.BigIntegerField(
        primary_key=True, db_default=TimeOrderedId("audit_webhookevent_id_seq")
    )
    received_at = models.DateTimeField()
    action = models.CharField(max_length=100)  # ANNOTATION_CREATED, …
    task_id = models.BigIntegerField(null=True)  # null = none, or several
    annotation_ids = ArrayField(models.BigIntegerField(), default=list)
    payload = models.JSONField()  # the body; secrets masked
    digest = models.CharField(max_length=64)  # SHA-256 of the body as received

    objects = AuditQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["project_id", "-id"], name="event_by_project"),
            models.Index(fields=["task_id", "-id"], name="event_by_task"),
            models.Index(fields=["request_id"], name="event_by_request"),
        ]

    def __str__(self) -> str:
        return f"Event {self.pk} {self.action}"


class AuditEntry(AuditRow):
    """A deed that is neither prediction nor event, and who did it.

    An operator's action, a changed policy or label config, a version made by a run,
    a refused login.
    """

    id = models.BigIntegerField(
        primary_key=True, db_default=TimeOrderedId("audit_auditentry_id_seq")
    )
    at = models.DateTimeField()
    actor = models.CharField(
        max_length=200
    )  # user name, "policy", "worker", "label studio"
    verb = models.CharField(max_length=100)  # past tense: "version promoted"
    target = models.CharField(max_length=200)  # what it was done to: "version v3"
    reason = models.TextField(blank=True)  # the person's words
    detail = models.JSONField(default=dict)  # facts of this verb; secrets masked

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["project_id", "-id"], name="entry_by_project"),
            models.Index(fields=["request_id"], name="entry_by_request"),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.verb} {self.target}"


class Seal(models.Model):
    """A link of the chain over finished rows: docs/audit.md says how to recompute it.

    Rows are taken in the order (txid, id), from `from_*` up to but without `until_*`.
    """

    number = models.BigIntegerField(primary_key=True)  # 1, 2, … without a gap
    table = models.CharField(max_length=63, db_column="sealed_table")
    format = models.PositiveSmallIntegerField()  # how a row is written as text
    # A dump restored into a new cluster begins again with small transaction numbers;
    # the rows written there have ids above `above_id`.
    generation = models.PositiveIntegerField()
    system_identifier = models.BigIntegerField()  # of the cluster
    above_id = models.BigIntegerField()
    from_txid = models.BigIntegerField()
    from_id = models.BigIntegerField()
    until_txid = models.BigIntegerField()
    until_id = models.BigIntegerField()
    row_count = models.PositiveIntegerField()
    first_id = models.BigIntegerField()  # smallest and largest id of its rows
    last_id = models.BigIntegerField()
    rows_digest = models.CharField(max_length=64)  # SHA-256 over the rows' SHA-256s
    # Per row its id and the first 8 bytes of its SHA-256: tells which row was changed.
    locator = models.BinaryField()
    previous_digest = models.CharField(max_length=64)  # 64 zeros for the first
    digest = models.CharField(max_length=64, unique=True)
    sealed_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["table", "-number"], name="seal_by_table")]

    def __str__(self) -> str:
        return f"Seal {self.number}: {self.row_count} rows of {self.table}"


class DroppedPartition(models.Model):
    """A partition that retention removed, and what was sealed of it. Append-only."""

    id = models.BigIntegerField(
        primary_key=True, db_default=TimeOrderedId("audit_droppedpartition_id_seq")
    )
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    table = models.CharField(max_length=63, db_column="sealed_table")
    partition = models.CharField(max_length=63)
    from_id = models.BigIntegerField()  # bounds of the ids it held
    until_id = models.BigIntegerField()
    row_count = models.BigIntegerField()
    export = models.CharField(max_length=500)  # where its rows were exported to
    export_digest = models.CharField(max_length=64)  # SHA-256 of that file

    def __str__(self) -> str:
        return self.partition


class PredictionHour(models.Model):
    """Sealed predictions counted by hour. Written with the seal, so never twice."""

    hour = models.DateTimeField()  # of created_at, UTC
    project_id = models.BigIntegerField(null=True)
    model_version = models.CharField(max_length=200)
    kind = models.CharField(max_length=11, choices=Prediction.Kind.choices)
    outcome = models.CharField(max_length=5, choices=Prediction.Outcome.choices)
    latency_bucket = models.PositiveSmallIntegerField()  # into LATENCY_BOUNDS_MS
    count = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "hour",
                    "project_id",
                    "model_version",
                    "kind",
                    "outcome",
                    "latency_bucket",
                ],
                nulls_distinct=False,
                name="prediction_hour_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour:%F %H}: {self.count} by {self.model_version}"


class EventHour(models.Model):
    """Sealed webhook events counted by hour. Written with the seal, so never twice."""

    hour = models.DateTimeField()  # of received_at, UTC
    project_id = models.BigIntegerField(null=True)
    action = models.CharField(max_length=100)
    count = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "project_id", "action"],
                nulls_distinct=False,
                name="event_hour_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour:%F %H}: {self.count} {self.action}"


class AuditJob(Job):
    """A verification or an export. Counts rows."""

    class Kind(models.TextChoices):
        VERIFY = "verify", "Verification"  # checks the sealed rows against their seals
        EXPORT = "export", "Export"  # a ZIP of the sealed rows of a time range

    kind = models.CharField(max_length=6, choices=Kind.choices)
    since = models.DateTimeField(null=True)  # rows or seals from then on; null = all
    until = models.DateTimeField(null=True)  # export: rows before then
    file_format = models.CharField(max_length=10, blank=True)  # of an export
    report = models.JSONField(default=dict)  # the findings, or the manifest's counts
    file_key = models.CharField(max_length=200, blank=True)  # in the artifact storage

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk} ({self.state})"
