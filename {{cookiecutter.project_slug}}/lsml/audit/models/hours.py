"""Counts per hour, for charts. Updated in the transaction that seals the rows."""

from django.db import models


class PredictionHour(models.Model):
    """Sealed predictions per hour. Written with the seal, so each counts once."""

    hour = models.DateTimeField()  # of created_at, UTC
    project_pk = models.BigIntegerField(null=True)
    model_version = models.CharField(max_length=200)
    kind = models.CharField(max_length=11)  # Prediction.Kind
    outcome = models.CharField(max_length=5)  # Prediction.Outcome
    latency_bucket = models.PositiveSmallIntegerField()  # into LATENCY_BOUNDS_MS
    count = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "hour",
                    "project_pk",
                    "model_version",
                    "kind",
                    "outcome",
                    "latency_bucket",
                ],
                nulls_distinct=False,
                name="prediction_hour_once",
            )
        ]
        # Predictions by a value that is rare or does not occur: its last hour.
        indexes = [
            models.Index(fields=["kind", "-hour"], name="prediction_hour_by_kind"),
            models.Index(
                fields=["outcome", "-hour"], name="prediction_hour_by_outcome"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%F %H}: {self.count} by {self.model_version}"


class EventHour(models.Model):
    """Sealed webhook events per hour. Written with the seal, so each counts once."""

    hour = models.DateTimeField()  # of received_at, UTC
    project_pk = models.BigIntegerField(null=True)
    action = models.CharField(max_length=100)
    count = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "project_pk", "action"],
                nulls_distinct=False,
                name="event_hour_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour:%F %H}: {self.count} {self.action}"
