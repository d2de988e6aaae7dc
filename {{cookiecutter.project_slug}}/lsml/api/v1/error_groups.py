"""/api/v1/error-groups: what failed, grouped by type and wording of the error."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework.serializers import IntegerField, ModelSerializer

from lsml.api.v1.filtering import OneOfFilter, ProjectFilterSet, TimeFilter
from lsml.api.v1.openapi import one_row
from lsml.api.v1.viewset import OperatorViewSet
from lsml.quality.models import ErrorGroup


@extend_schema_serializer(
    examples=[
        one_row(
            id=4,
            project_pk=1,
            source="prediction",
            pattern="predict() raised KeyError: <value>",
            count=40,
            versions=["v2", "v3"],
            first_seen_at="2026-11-23T13:02:00Z",
            last_seen_at="2026-11-23T15:40:30Z",
            example_id=7354117705210000,
        )
    ]
)
class ErrorGroupSerializer(ModelSerializer[ErrorGroup]):
    project_pk = IntegerField(source="project_id", read_only=True)

    class Meta:
        model = ErrorGroup
        fields = [
            "id",
            "project_pk",
            "source",
            "pattern",
            "count",
            "versions",
            "first_seen_at",
            "last_seen_at",
            "example_id",
        ]
        extra_kwargs = {
            "count": {"help_text": "failed predictions, or runs"},
            "versions": {"help_text": "the last ten that failed, the latest last"},
            "example_id": {
                "help_text": "the latest: `/predictions/<id>`, or `/runs/<id>`"
            },
        }


class ErrorGroupFilterSet(ProjectFilterSet):
    source = OneOfFilter(ErrorGroup.Source.choices)
    since = TimeFilter(
        field_name="last_seen_at", lookup_expr="gte", help_text="seen since then"
    )


class ErrorGroupViewSet(OperatorViewSet[ErrorGroup]):
    """Failed predictions and runs, grouped by what failed."""

    queryset = ErrorGroup.objects.all()
    serializer_class = ErrorGroupSerializer
    filterset_class = ErrorGroupFilterSet
