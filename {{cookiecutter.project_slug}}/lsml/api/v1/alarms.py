"""/api/v1/alarms: what needs or needed attention; acknowledge one."""

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.api.v1.access import MayOperate
from lsml.api.v1.filtering import OneOfFilter, ProjectFilterSet
from lsml.api.v1.openapi import one_row
from lsml.api.v1.requests import OptionalReasonSerializer, validated
from lsml.api.v1.viewset import OperatorViewSet
from lsml.observability.origin import requester
from lsml.quality.alarms.acknowledging import acknowledge
from lsml.quality.alarms.models import STATES, Alarm, AlarmQuerySet


@extend_schema_serializer(
    examples=[
        one_row(
            id=12,
            state="acknowledged",
            kind="failing_predictions",
            project_pk=1,
            subject="v3",
            sentence="40 of the last 200 predictions of v3 failed.",
            next_step="Look at their errors; roll back if the version before had none.",
            first_seen_at="2026-11-23T13:02:00Z",
            opened_at="2026-11-23T13:02:20Z",
            last_seen_at="2026-11-23T13:09:40Z",
            cleared_at=None,
            acknowledged_at="2026-11-23T13:05:11Z",
            acknowledged_by="ana",
        )
    ]
)
class AlarmSerializer(serializers.ModelSerializer[Alarm]):
    project_pk = serializers.IntegerField(
        source="project_id", read_only=True, allow_null=True
    )

    state = serializers.ChoiceField(choices=STATES, read_only=True)

    class Meta:
        model = Alarm
        fields = [
            "id",
            "state",
            "kind",
            "project_pk",
            "subject",
            "sentence",
            "next_step",
            "first_seen_at",
            "opened_at",
            "last_seen_at",
            "cleared_at",
            "acknowledged_at",
            "acknowledged_by",
        ]


class AlarmFilterSet(ProjectFilterSet):
    kind = OneOfFilter(Alarm.Kind.choices)
    state = OneOfFilter([(each, each) for each in STATES], method="in_state")

    def in_state(self, rows: AlarmQuerySet, name: str, value: str) -> AlarmQuerySet:
        return rows.in_state(value)


class AlarmViewSet(OperatorViewSet[Alarm]):
    """Alarms that have opened, cleared or not."""

    queryset = Alarm.objects.opened()
    serializer_class = AlarmSerializer
    filterset_class = AlarmFilterSet

    @extend_schema(request=OptionalReasonSerializer, responses=AlarmSerializer)
    @action(detail=True, methods=["post"], permission_classes=[MayOperate])
    def acknowledge(self, request: Request, pk: int) -> Response:
        """Say that somebody takes care of it. It stays until its condition is gone."""
        alarm = self.get_object()
        reason: str = validated(OptionalReasonSerializer, request)["reason"]
        acknowledge(alarm, reason=reason, **requester(request))
        return Response(self.get_serializer(alarm).data)
