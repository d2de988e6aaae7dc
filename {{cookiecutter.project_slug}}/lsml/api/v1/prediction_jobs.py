"""/api/v1/prediction-jobs: bulk predictions; start one, cancel it, try it again."""

from django_filters import rest_framework as django_filters
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.api.v1.filtering import OneOfFilter, ProjectFilterSet
from lsml.api.v1.jobs import JOB_FIELDS, JobViewSet
from lsml.api.v1.viewset import one_row
from lsml.inference.bulk import start_job
from lsml.inference.models import PredictionJob
from lsml.observability.origin import Origin
from lsml.registry.models import Project


@extend_schema_serializer(
    examples=[
        one_row(
            id=2,
            project_id=1,
            state="running",
            requested_by="ana",
            progress=0.4,
            done=40,
            total=100,
            errors=0,
            model_version="v3",
        )
    ]
)
class PredictionJobSerializer(serializers.ModelSerializer[PredictionJob]):
    class Meta:
        model = PredictionJob
        fields = [*JOB_FIELDS, "project_id", "model_version", "errors", "log"]


class StartPredictionSerializer(serializers.Serializer[PredictionJob]):
    """Which project's known tasks to predict."""

    project_id = serializers.PrimaryKeyRelatedField(
        queryset=Project.objects.filter(archived_at__isnull=True)
    )


class PredictionJobFilterSet(ProjectFilterSet):
    state = OneOfFilter(PredictionJob.State.choices)
    model_version = django_filters.CharFilter()


class PredictionJobViewSet(JobViewSet[PredictionJob]):
    """Bulk predictions: waiting, running and ended."""

    queryset = PredictionJob.objects.select_related("project")
    serializer_class = PredictionJobSerializer
    filterset_class = PredictionJobFilterSet
    needs = "operate"

    @extend_schema(
        request=StartPredictionSerializer, responses={201: PredictionJobSerializer}
    )
    def create(self, request: Request) -> Response:
        """Predict all tasks of a project that are known here."""
        self.demand(request)
        body = StartPredictionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        job = start_job(
            project=body.validated_data["project_id"],
            actor=request.user.get_username(),
            origin=Origin.from_request(request),
        )
        return Response(self.get_serializer(job).data, status=201)
