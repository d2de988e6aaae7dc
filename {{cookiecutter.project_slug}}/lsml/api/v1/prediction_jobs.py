"""/api/v1/prediction-jobs: bulk predictions; start, cancel and retry them."""

from django_filters import rest_framework as django_filters
from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.api.v1.access import MayOperate
from lsml.api.v1.filtering import OneOfFilter, ProjectFilterSet
from lsml.api.v1.jobs import JOB_FIELDS, JobViewSet, one_job
from lsml.api.v1.openapi import REFUSED
from lsml.api.v1.requests import validated
from lsml.inference.bulk import start_job
from lsml.inference.models import PredictionJob
from lsml.observability.origin import requester
from lsml.registry.models import Project

_NO_PROJECT = "There is no project {pk_value} here, or it is archived."


@extend_schema_serializer(
    examples=[one_job(project_pk=1, model_version="v3", errors=0)]
)
class PredictionJobSerializer(serializers.ModelSerializer[PredictionJob]):
    project_pk = serializers.IntegerField(source="project_id", read_only=True)

    class Meta:
        model = PredictionJob
        fields = [*JOB_FIELDS, "project_pk", "model_version", "errors"]


@extend_schema_serializer(
    examples=[OpenApiExample("A project", {"project_pk": 1}, request_only=True)]
)
class StartPredictionSerializer(serializers.Serializer[PredictionJob]):
    """The project whose known tasks to predict."""

    project_pk = serializers.PrimaryKeyRelatedField(
        queryset=Project.objects.filter(archived_at__isnull=True),
        pk_field=serializers.IntegerField(),
        error_messages={"does_not_exist": _NO_PROJECT},
        help_text="this service's key",
    )


class PredictionJobFilterSet(ProjectFilterSet):
    state = OneOfFilter(PredictionJob.State.choices)
    model_version = django_filters.CharFilter()


class PredictionJobViewSet(JobViewSet[PredictionJob]):
    """Bulk predictions: waiting, running and ended."""

    queryset = PredictionJob.objects.select_related("project").defer("log")
    serializer_class = PredictionJobSerializer
    filterset_class = PredictionJobFilterSet
    may_change = MayOperate

    @extend_schema(
        request=StartPredictionSerializer,
        responses={201: PredictionJobSerializer, 409: REFUSED},
    )
    def create(self, request: Request) -> Response:
        """Predict all tasks of a project that are known here."""
        values = validated(StartPredictionSerializer, request)
        job = start_job(project=values["project_pk"], **requester(request))
        return Response(self.get_serializer(job).data, status=201)
