"""/api/v1/prediction-problems: tasks that a bulk prediction left without one."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from lsml.api.v1.filtering import IntegerFilter, OneOfFilter, ProjectFilterSet
from lsml.api.v1.openapi import one_row
from lsml.api.v1.viewset import OperatorViewSet
from lsml.inference.models import PredictionProblem


@extend_schema_serializer(
    examples=[
        one_row(
            id=3,
            job=5,
            task_id=101,
            kind="gone",
            reason="The task does not exist in Label Studio's project any more.",
        )
    ]
)
class PredictionProblemSerializer(serializers.ModelSerializer[PredictionProblem]):
    job = serializers.IntegerField(source="job_id", read_only=True)

    class Meta:
        model = PredictionProblem
        fields = ["id", "job", "task_id", "kind", "reason"]


class PredictionProblemFilterSet(ProjectFilterSet):
    project_column = "job__project_id"

    job = IntegerFilter(field_name="job_id", help_text="a prediction job")
    task_id = IntegerFilter(help_text="Label Studio's ID")
    kind = OneOfFilter(PredictionProblem.Kind.choices)


class PredictionProblemViewSet(OperatorViewSet[PredictionProblem]):
    """Tasks that a bulk prediction left without a prediction, and why."""

    queryset = PredictionProblem.objects.all()
    serializer_class = PredictionProblemSerializer
    filterset_class = PredictionProblemFilterSet
