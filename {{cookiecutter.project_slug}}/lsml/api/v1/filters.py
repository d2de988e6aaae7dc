"""What each list can be filtered by; an unknown word is refused, not ignored."""

from datetime import datetime
from typing import Any

from django.db.models import Model, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from lsml.audit.fields import first_id_at
from lsml.audit.models import Prediction, PredictionQuerySet
from lsml.audit.tables import SEALED_TABLES
from lsml.registry.models import ModelVersion
from lsml.training.models import TrainingRun

_PAGING = {"limit", "after", "order", "format"}


class Filter(serializers.Serializer[Any]):
    """Reads the query string."""

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """The filters of a request.

        Raises:
            ValidationError: a value is wrong, or a word is none of ours.
        """
        words = cls(data=request.query_params)
        unknown = request.query_params.keys() - words.fields.keys() - _PAGING
        if unknown:
            known = ", ".join(sorted(words.fields))
            word = min(unknown)
            raise ValidationError({word: f"No filter of this list. There are: {known}"})
        words.is_valid(raise_exception=True)
        return dict(words.validated_data)

    def apply(self, rows: QuerySet[Any], words: dict[str, Any]) -> QuerySet[Any]:
        """The rows that agree with all words."""
        return rows.filter(**words)


class _ByTime(Filter):
    """Time is part of the id, so a time range reads only the months it touches."""

    since = serializers.DateTimeField(required=False, help_text="written from then on")
    until = serializers.DateTimeField(required=False, help_text="written before then")

    def apply(self, rows: QuerySet[Any], words: dict[str, Any]) -> QuerySet[Any]:
        since: datetime | None = words.pop("since", None)
        until: datetime | None = words.pop("until", None)
        if since:
            rows = rows.filter(pk__gte=first_id_at(since))
        if until:
            rows = rows.filter(pk__lt=first_id_at(until))
        return rows.filter(**words)


class PredictionFilter(_ByTime):
    project_pk = serializers.IntegerField(required=False, help_text="our own key")
    task_id = serializers.IntegerField(required=False, help_text="Label Studio's id")
    model_version = serializers.CharField(required=False)
    kind = serializers.ChoiceField(Prediction.Kind.choices, required=False)
    outcome = serializers.ChoiceField(Prediction.Outcome.choices, required=False)
    request_id = serializers.CharField(required=False)

    def apply(self, rows: QuerySet[Any], words: dict[str, Any]) -> QuerySet[Any]:
        assert isinstance(rows, PredictionQuerySet)  # noqa: S101 - the view's own
        names = ("project_pk", "model_version", "kind", "outcome")
        facts = {name: words.pop(name) for name in names if name in words}
        if "task_id" in words or "request_id" in words:
            words |= facts  # their own indexes lead to few rows
        else:
            rows = rows.with_facts(**facts)
        return super().apply(rows, words)


class EventFilter(_ByTime):
    project_pk = serializers.IntegerField(required=False, help_text="our own key")
    task_id = serializers.IntegerField(required=False, help_text="Label Studio's id")
    action = serializers.CharField(required=False)
    request_id = serializers.CharField(required=False)


class AuditEntryFilter(_ByTime):
    project_pk = serializers.IntegerField(required=False, help_text="our own key")
    actor = serializers.CharField(required=False)
    verb = serializers.CharField(required=False)
    request_id = serializers.CharField(required=False)


class PromotionFilter(_ByTime):
    project_id = serializers.IntegerField(required=False, help_text="our own key")
    request_id = serializers.CharField(required=False)


class VersionFilter(Filter):
    project_id = serializers.IntegerField(required=False, help_text="our own key")
    version = serializers.CharField(required=False)
    state = serializers.ChoiceField(ModelVersion.State.choices, required=False)


class RunFilter(Filter):
    project_id = serializers.IntegerField(required=False, help_text="our own key")
    state = serializers.ChoiceField(TrainingRun.State.choices, required=False)
    trigger = serializers.ChoiceField(TrainingRun.Trigger.choices, required=False)


class SealFilter(Filter):
    table = serializers.ChoiceField(sorted(SEALED_TABLES), required=False)


def filtered(
    view_filter: type[Filter], rows: QuerySet[Model], request: Request
) -> QuerySet[Model]:
    """The rows a request asks for."""
    words = view_filter.read(request)
    return view_filter().apply(rows, words)
