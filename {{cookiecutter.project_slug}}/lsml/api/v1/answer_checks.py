"""/api/v1/answer-checks: live answers that do not fit the label config, by version."""

from django_filters import rest_framework as django_filters
from drf_spectacular.utils import extend_schema_serializer
from rest_framework.serializers import IntegerField, ModelSerializer

from lsml.api.v1.filtering import ProjectFilterSet
from lsml.api.v1.openapi import one_row
from lsml.api.v1.viewset import OperatorViewSet
from lsml.quality.models import AnswerCheck


@extend_schema_serializer(
    examples=[
        one_row(
            id=4,
            project_pk=1,
            model_version="v3",
            checked=500,
            invalid=12,
            first_checked_at="2026-11-23T13:02:00Z",
            last_checked_at="2026-11-23T15:40:30Z",
            last_invalid_at="2026-11-23T15:38:00Z",
            example_prediction_id=7354117705210000,
            example_task_id=101,
            example_reason="Score must be between 0.00 and 1.00 inclusive, got 1.2",
        )
    ]
)
class AnswerCheckSerializer(ModelSerializer[AnswerCheck]):
    project_pk = IntegerField(source="project_id", read_only=True)

    class Meta:
        model = AnswerCheck
        fields = [
            "id",
            "project_pk",
            "model_version",
            "checked",
            "invalid",
            "first_checked_at",
            "last_checked_at",
            "last_invalid_at",
            "example_prediction_id",
            "example_task_id",
            "example_reason",
        ]


class AnswerCheckFilterSet(ProjectFilterSet):
    model_version = django_filters.CharFilter()


class AnswerCheckViewSet(OperatorViewSet[AnswerCheck]):
    """How many of a version's live answers were checked, and how many do not fit."""

    queryset = AnswerCheck.objects.all()
    serializer_class = AnswerCheckSerializer
    filterset_class = AnswerCheckFilterSet
