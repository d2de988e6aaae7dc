"""/api/v1/runs: training runs, and cancelling one."""

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField, ModelSerializer

from lsml.api.v1.access import MayOperate, origin_of
from lsml.api.v1.filtering import OneOfFilter, ProjectFilterSet
from lsml.api.v1.viewset import OperatorViewSet, ReasonSerializer, one_row, reason_of
from lsml.training.models import TrainingRun
from lsml.training.runs import request_cancel


@extend_schema_serializer(
    examples=[
        one_row(
            id=5,
            project_id=1,
            state="succeeded",
            trigger="annotations",
            requested_by="policy",
            progress=1.0,
            version="v3",
        )
    ]
)
class RunSerializer(ModelSerializer[TrainingRun]):
    version = CharField(source="version.version", default=None)

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


class RunFilterSet(ProjectFilterSet):
    state = OneOfFilter(TrainingRun.State.choices)
    trigger = OneOfFilter(TrainingRun.Trigger.choices)


class RunViewSet(OperatorViewSet[TrainingRun]):
    """Training runs: waiting, running and ended."""

    queryset = TrainingRun.objects.select_related("version")
    serializer_class = RunSerializer
    filterset_class = RunFilterSet

    @extend_schema(responses=RunSerializer)
    @action(
        detail=True,
        methods=["post"],
        permission_classes=[MayOperate],
        serializer_class=ReasonSerializer,
    )
    def cancel(self, request: Request, pk: int) -> Response:
        """Stop a run; its events wait for the next one."""
        run = self.get_object()
        request_cancel(
            run=run,
            actor=request.user.get_username(),
            reason=reason_of(request),
            origin=origin_of(request),
        )
        return Response(RunSerializer(run).data)
