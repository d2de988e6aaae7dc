"""Rows as JSON. Everything is read-only but what a view says it takes."""

from typing import Any

from rest_framework import serializers

from lsml.audit.models import AuditEntry, Prediction, Seal, WebhookEvent
from lsml.registry.models import ModelVersion, Promotion
from lsml.training.models import TrainingRun


class PredictionSerializer(serializers.ModelSerializer[Prediction]):
    class Meta:
        model = Prediction
        fields = "__all__"


class EventSerializer(serializers.ModelSerializer[WebhookEvent]):
    class Meta:
        model = WebhookEvent
        fields = "__all__"


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    class Meta:
        model = AuditEntry
        fields = "__all__"


class PromotionSerializer(serializers.ModelSerializer[Promotion]):
    from_version = serializers.CharField(
        source="from_version.version", default=None, read_only=True
    )
    to_version = serializers.CharField(
        source="to_version.version", default=None, read_only=True
    )

    class Meta:
        model = Promotion
        fields = [
            "id",
            "project_id",
            "from_version",
            "to_version",
            "at",
            "actor",
            "reason",
            "request_id",
        ]


class VersionSerializer(serializers.ModelSerializer[ModelVersion]):
    parent_version = serializers.CharField(source="parent.version", default=None)

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "project_id",
            "number",
            "version",
            "state",
            "parent_version",
            "artifact_key",
            "artifact_sha256",
            "artifact_bytes",
            "metrics",
            "snapshot_digest",
            "annotation_count",
            "label_config_digest",
            "missing_labels",
            "code_revision",
            "python_version",
            "packages",
            "notes",
            "created_at",
        ]


class RunSerializer(serializers.ModelSerializer[TrainingRun]):
    version = serializers.CharField(source="version.version", default=None)

    class Meta:
        model = TrainingRun
        fields = [
            "id",
            "project_id",
            "state",
            "trigger",
            "requested_by",
            "attempts",
            "created_at",
            "started_at",
            "finished_at",
            "progress",
            "message",
            "metrics",
            "error",
            "cancel_requested_at",
            "cancel_requested_by",
            "cancel_reason",
            "version",
        ]


class SealSerializer(serializers.ModelSerializer[Seal]):
    class Meta:
        model = Seal
        exclude = ["locator"]


class PageSerializer(serializers.Serializer[Any]):
    """How a list answers."""

    count = serializers.IntegerField()
    count_is_exact = serializers.BooleanField()
    next = serializers.CharField(allow_null=True)


class ReasonSerializer(serializers.Serializer[Any]):
    """Why a person did it; kept in the audit trail."""

    reason = serializers.CharField(max_length=2_000)
