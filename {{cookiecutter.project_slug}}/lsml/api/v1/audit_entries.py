"""/api/v1/audit-entries: who did what, and why."""

from django_filters import rest_framework as django_filters
from drf_spectacular.utils import extend_schema_serializer
from rest_framework.serializers import ModelSerializer

from lsml.api.v1.filtering import AuditFilterSet, OneOfFilter
from lsml.api.v1.openapi import one_row
from lsml.api.v1.viewset import OperatorViewSet
from lsml.audit.models import AuditEntry


@extend_schema_serializer(
    examples=[
        one_row(
            request_id="6f1f0a3c5d5b4b9e8a7c1d2e3f405162",
            client="labelstudio 10.0.0.7",
            project_pk=1,
            id=7354117705209000,
            at="2026-11-23T13:01:00Z",
            actor="ana",
            verb="training started",
            target="project 1",
            reason="new labels",
            detail={},
        )
    ]
)
class AuditEntrySerializer(ModelSerializer[AuditEntry]):
    class Meta:
        model = AuditEntry
        fields = "__all__"


class AuditEntryFilterSet(AuditFilterSet):
    actor = django_filters.CharFilter()
    verb = OneOfFilter(AuditEntry.Verb.choices)


class AuditEntryViewSet(OperatorViewSet[AuditEntry]):
    """Actions of people, policies and workers, with their reasons."""

    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    filterset_class = AuditEntryFilterSet
