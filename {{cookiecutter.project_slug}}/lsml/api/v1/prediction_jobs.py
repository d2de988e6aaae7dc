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
from lsml.api.v1.requests import ChoiceField, validated
from lsml.inference.bulk.jobs import TASK_IDS_MAX, Options, start_job
from lsml.inference.models import PredictionJob
from lsml.labelstudio.reading import LARGEST_ID
from lsml.observability.origin import requester
from lsml.registry.models import Project

_NO_PROJECT = "There is no project {pk_value} here, or it is archived."


@extend_schema_serializer(
    examples=[
        one_job(
            project_pk=1,
            only="without-this-version",
            task_ids=[],
            view=None,
            replace=False,
            delete_older=False,
            model_version="v3",
            predicted=90,
            sent=83,
            already_there=10,
            withheld=5,
            invalid=1,
            gone=1,
            failed=0,
            removed=0,
        )
    ]
)
class PredictionJobSerializer(serializers.ModelSerializer[PredictionJob]):
    project_pk = serializers.IntegerField(source="project_id", read_only=True)

    class Meta:
        model = PredictionJob
        fields = [
            *JOB_FIELDS,
            "project_pk",
            "only",
            "task_ids",
            "view",
            "replace",
            "delete_older",
            "model_version",
            *PredictionJob.COUNTS,
            "removed",
        ]


@extend_schema_serializer(
    examples=[OpenApiExample("A project", {"project_pk": 1}, request_only=True)]
)
class StartPredictionSerializer(serializers.Serializer[PredictionJob]):
    """The project whose known tasks to predict, and which of them."""

    project_pk = serializers.PrimaryKeyRelatedField(
        queryset=Project.objects.filter(archived_at__isnull=True),
        pk_field=serializers.IntegerField(),
        error_messages={"does_not_exist": _NO_PROJECT},
        help_text="this service's key",
    )
    only = ChoiceField(
        PredictionJob.Only.choices,
        default=PredictionJob.Only.WITHOUT_THIS_VERSION.value,
        help_text="`unlabelled`: of the tasks without this version, those without an"
        " annotation",
    )
    task_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=LARGEST_ID),
        default=list,
        max_length=TASK_IDS_MAX,
        help_text="only these tasks, by Label Studio's ID",
    )
    view = serializers.IntegerField(
        min_value=1,
        max_value=LARGEST_ID,
        allow_null=True,
        default=None,
        help_text="only tasks that match the filters of this view, a tab of Label"
        " Studio's data manager. The job asks for them when it begins, and fails if the"
        " project has no such view",
    )
    replace = serializers.BooleanField(
        default=False,
        help_text="first remove the predictions of the served version, of all tasks",
    )
    delete_older = serializers.BooleanField(
        default=False,
        help_text="when all predictions are sent, remove those of this service's older"
        " versions, unless a task would lose its only prediction",
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
        """Predict tasks of a project that are known here.

        Those that have a prediction of the served version in Label Studio are left out.
        """
        values = validated(StartPredictionSerializer, request)
        project = values.pop("project_pk")
        job = start_job(
            project=project, options=Options(**values), **requester(request)
        )
        return Response(self.get_serializer(job).data, status=201)
