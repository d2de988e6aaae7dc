"""/api/v1/runs: training runs; cancel and retry them."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework.serializers import CharField, IntegerField, ModelSerializer

from lsml.api.v1.access import MayOperate
from lsml.api.v1.filtering import OneOfFilter, ProjectFilterSet
from lsml.api.v1.jobs import JOB_FIELDS, JobViewSet, one_job
from lsml.training.models import TrainingRun


@extend_schema_serializer(
    examples=[
        one_job(
            requested_by="policy",
            project_pk=1,
            trigger="annotations",
            metrics={"accuracy": 0.91},
            version="v3",
            version_load_error="",
        )
    ]
)
class RunSerializer(ModelSerializer[TrainingRun]):
    project_pk = IntegerField(source="project_id", read_only=True)
    version = CharField(source="version.version", default=None)
    version_load_error = CharField(source="version.load_error", default="")

    class Meta:
        model = TrainingRun
        fields = [
            *JOB_FIELDS,
            "project_pk",
            "trigger",
            "metrics",
            "version",
            "version_load_error",
        ]


class RunFilterSet(ProjectFilterSet):
    state = OneOfFilter(TrainingRun.State.choices)
    trigger = OneOfFilter(TrainingRun.Trigger.choices)


class RunViewSet(JobViewSet[TrainingRun]):
    """Training runs: waiting, running and ended."""

    queryset = TrainingRun.objects.select_related("project", "version").defer("log")
    serializer_class = RunSerializer
    filterset_class = RunFilterSet
    may_change = MayOperate
