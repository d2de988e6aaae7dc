"""/api/v1/predictions: the recorded predictions and their origins."""

from typing import Any, Final

from django.core.validators import EMPTY_VALUES
from django.db.models import QuerySet
from django_filters import rest_framework as django_filters
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer

from lsml.api.v1.filtering import (
    AuditFilterSet,
    IntegerFilter,
    OneOfFilter,
    project_pks,
)
from lsml.api.v1.openapi import one_row
from lsml.api.v1.viewset import OperatorViewSet
from lsml.audit.models import Prediction, PredictionQuerySet
from lsml.training.explain import explain

_FACTS: Final = ("project_pk", "model_version", "kind", "outcome")


@extend_schema_serializer(
    examples=[
        one_row(
            request_id="6f1f0a3c5d5b4b9e8a7c1d2e3f405162",
            client="labelstudio 10.0.0.7",
            project_pk=1,
            id=7354117705207928,
            created_at="2026-11-23T12:59:30.120000Z",
            task_id=1,
            model_version="v3",
            kind="batch",
            outcome="ok",
            withheld=False,
            score=0.93,
            result=[
                {
                    "from_name": "sentiment",
                    "to_name": "text",
                    "type": "choices",
                    "value": {"choices": ["Positive"]},
                }
            ],
            context=None,
            input_digest="0" * 64,
            input=None,
            latency_ms=12.5,
            batch_size=10,
            error="",
        )
    ]
)
class PredictionSerializer(ModelSerializer[Prediction]):
    class Meta:
        model = Prediction
        fields = "__all__"


class PredictionFilterSet(AuditFilterSet):
    task_id = IntegerFilter(help_text="Label Studio's ID")
    model_version = django_filters.CharFilter()
    kind = OneOfFilter(Prediction.Kind.choices)
    outcome = OneOfFilter(Prediction.Outcome.choices)
    withheld = OneOfFilter(
        [("true", "true"), ("false", "false")],
        method="of_withheld",
        help_text="recorded, but not shown to annotators",
    )

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        assert isinstance(queryset, PredictionQuerySet)  # noqa: S101 - the view's own
        values: dict[str, Any] = self.form.cleaned_data
        # A task or a request has few rows, and its own index finds them.
        if values["task_id"] is None and not values["request_id"]:
            facts = {name: values.pop(name) for name in _FACTS}
            queryset = queryset.with_facts(
                **{k: v for k, v in facts.items() if v not in EMPTY_VALUES}
            )
        rows: QuerySet[Any] = super().filter_queryset(queryset)
        return rows

    def of_withheld(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return rows.filter(withheld=value == "true")

    def of_labelstudio_id(
        self, rows: QuerySet[Any], name: str, value: int
    ) -> QuerySet[Any]:
        pks = project_pks(value)
        if len(pks) == 1 and isinstance(rows, PredictionQuerySet):
            return rows.with_facts(project_pk=pks[0])
        return rows.filter(project_pk__in=pks)


class PredictionViewSet(OperatorViewSet[Prediction]):
    """Recorded predictions: input, result and errors of the model."""

    queryset = Prediction.objects.all()
    serializer_class = PredictionSerializer
    filterset_class = PredictionFilterSet

    @extend_schema(responses={(200, "application/json"): {"type": "object"}})
    @action(detail=True)
    def explain(self, request: Request, pk: int) -> Response:
        """Explain a prediction: version, run, training data and later annotations."""
        return Response(explain(self.get_object()))
