"""/api/v1/runs: training runs; cancel one, or try it again."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework.serializers import CharField, ModelSerializer

from lsml.api.v1.filtering import OneOfFilter, ProjectFilterSet
from lsml.api.v1.jobs import JOB_FIELDS, JobViewSet
from lsml.api.v1.viewset import one_row
from lsml.training.models import TrainingRun


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
    version_load_error = CharField(source="version.load_error", default="")

    class Meta:
        model = TrainingRun
        fields = [
            *JOB_FIELDS,
            "project_id",
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
    needs = "operate"
