"""/api/v1/evaluations: versions compared with the served one; start, cancel, retry."""

from django.db.models import F
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
from lsml.observability.origin import requester
from lsml.quality.evaluation.jobs import request_evaluation
from lsml.quality.models import Evaluation
from lsml.registry.models import ModelVersion


def _interval(help_text: str) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.FloatField(),
        read_only=True,
        allow_null=True,
        default=None,
        help_text=help_text,
    )


@extend_schema_serializer(
    examples=[
        one_job(
            project_pk=1,
            version="v3",
            compared_on="held-out",
            compared_with="v2",
            policy="not-worse",
            verdict="held back",
            promoted=False,
            in_shadow_until=None,
            reason="recall of Refund fell from 0.81 to 0.62 on 43 tasks",
            task_count=120,
            score=[0.93, 0.87, 0.96],
            compared_score=[0.95, 0.89, 0.98],
        )
    ]
)
class EvaluationSerializer(serializers.ModelSerializer[Evaluation]):
    project_pk = serializers.IntegerField(source="project_id", read_only=True)
    version = serializers.CharField(source="version.version", read_only=True)
    compared_with = serializers.SerializerMethodField(
        help_text="null until it is known"
    )
    score = _interval("Of the version on these tasks: value, low, high; 95 % certain")
    compared_score = _interval("Of what it was compared with")

    class Meta:
        model = Evaluation
        fields = [
            *JOB_FIELDS,
            "project_pk",
            "version",
            "compared_on",
            "compared_with",
            "policy",
            "verdict",
            "promoted",
            "in_shadow_until",
            "reason",
            "task_count",
            "score",
            "compared_score",
        ]

    def get_compared_with(self, evaluation: Evaluation) -> str | None:
        return evaluation.other if evaluation.verdict else None


class EvaluationReportSerializer(EvaluationSerializer):
    """An evaluation with all of its figures."""

    class Meta(EvaluationSerializer.Meta):
        fields = [*EvaluationSerializer.Meta.fields, "report"]


@extend_schema_serializer(
    examples=[OpenApiExample("A version", {"version_id": 3}, request_only=True)]
)
class StartEvaluationSerializer(serializers.Serializer[Evaluation]):
    """The version to compare with the served one."""

    version_id = serializers.PrimaryKeyRelatedField(
        queryset=ModelVersion.objects.select_related("project"),
        pk_field=serializers.IntegerField(),
        help_text="of /api/v1/versions",
    )


class EvaluationFilterSet(ProjectFilterSet):
    state = OneOfFilter(Evaluation.State.choices)
    verdict = OneOfFilter(Evaluation.Verdict.choices)
    compared_on = OneOfFilter(Evaluation.ComparedOn.choices)
    version = django_filters.CharFilter(field_name="version__version")


class EvaluationViewSet(JobViewSet[Evaluation]):
    """Comparisons of versions with the served one, and their verdicts."""

    queryset = (
        Evaluation.objects.select_related("project", "version", "compared_with")
        .defer("log", "task_scores", "report")
        .annotate(
            score=F("report__versions__0__score"),
            compared_score=F("report__versions__1__score"),
        )
    )
    serializer_class = EvaluationSerializer
    filterset_class = EvaluationFilterSet
    may_change = MayOperate

    def get_serializer_class(self) -> type[EvaluationSerializer]:
        """Return the one without the report for lists: it is long."""
        if self.action == "list":
            return EvaluationSerializer
        return EvaluationReportSerializer

    @extend_schema(
        request=StartEvaluationSerializer,
        responses={201: EvaluationReportSerializer, 409: REFUSED},
    )
    def create(self, request: Request) -> Response:
        """Compare a version with the served one on the tasks held out from it.

        If the version is newer and the project's promotion policy compares, a version
        that passes is promoted, or goes into shadow if the policy asks for that.
        """
        version = validated(StartEvaluationSerializer, request)["version_id"]
        evaluation = request_evaluation(version, **requester(request))
        return Response(self.get_serializer(evaluation).data, status=201)
