"""/api/v1/events: the accepted webhooks."""

from django_filters import rest_framework as django_filters
from drf_spectacular.utils import extend_schema_serializer
from rest_framework.serializers import ModelSerializer

from lsml.api.v1.filtering import AuditFilterSet, IntegerFilter
from lsml.api.v1.openapi import one_row
from lsml.api.v1.viewset import OperatorViewSet
from lsml.audit.models import WebhookEvent


@extend_schema_serializer(
    examples=[
        one_row(
            request_id="6f1f0a3c5d5b4b9e8a7c1d2e3f405162",
            client="labelstudio 10.0.0.7",
            project_pk=1,
            id=7354117705208021,
            received_at="2026-11-23T13:00:02.410000Z",
            action="ANNOTATION_CREATED",
            task_id=1,
            annotation_ids=[11],
            payload={"action": "ANNOTATION_CREATED"},
            digest="0" * 64,
        )
    ]
)
class EventSerializer(ModelSerializer[WebhookEvent]):
    class Meta:
        model = WebhookEvent
        fields = "__all__"


class EventFilterSet(AuditFilterSet):
    task_id = IntegerFilter(help_text="Label Studio's ID")
    action = django_filters.CharFilter()


class EventViewSet(OperatorViewSet[WebhookEvent]):
    """Accepted webhooks with their payloads; secrets are masked."""

    queryset = WebhookEvent.objects.all()
    serializer_class = EventSerializer
    filterset_class = EventFilterSet
