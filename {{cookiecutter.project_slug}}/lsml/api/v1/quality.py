"""/api/v1/projects/<project_pk>/quality: how good the served version is."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from lsml.api.v1.openapi import errors
from lsml.api.v1.viewset import ProjectReportView
from lsml.quality.drift.services import latest_check
from lsml.quality.live.expected import expected_of
from lsml.quality.live.services import live_quality, served_and_former
from lsml.quality.live.watching import drops
from lsml.quality.models import Evaluation
from lsml.registry.models import Project


class IntervalField(serializers.ListField):
    """An estimate with the bounds of its 95 % interval."""

    child = serializers.FloatField()

    def __init__(self, **options: Any) -> None:
        super().__init__(
            min_length=3,
            max_length=3,
            help_text="the value, and the bounds of its 95 % interval",
            **options,
        )


class HeldOutSerializer(serializers.Serializer[Any]):
    """The latest evaluation of the served version."""

    evaluation_id = serializers.IntegerField()
    compared_with = serializers.CharField()
    tasks = serializers.IntegerField()
    score = IntervalField(allow_null=True)
    score_compared_with = IntervalField(allow_null=True)
    finished_at = serializers.DateTimeField()


class LiveDaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField(help_text="UTC")
    annotations = serializers.IntegerField()
    agreement = serializers.FloatField()


class LiveControlSerializer(serializers.Serializer[Any]):
    control = serializers.CharField()
    annotations = serializers.IntegerField()
    agreement = IntervalField()


class LiveAnnotatorSerializer(serializers.Serializer[Any]):
    user_id = serializers.IntegerField(
        allow_null=True,
        help_text="Label Studio's; null: those beyond 100 of a version and day",
    )
    annotations = serializers.IntegerField()
    agreement = IntervalField()


class LiveLabelSerializer(serializers.Serializer[Any]):
    # DRF collects the fields; the attribute `label` of a serializer is set later.
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="`control: label`"
    )
    annotations = serializers.IntegerField()
    both = serializers.IntegerField()
    only_predicted = serializers.IntegerField()
    only_annotated = serializers.IntegerField()
    precision = serializers.FloatField(allow_null=True)
    recall = serializers.FloatField(allow_null=True)


class CalibrationSerializer(serializers.Serializer[Any]):
    """Annotations whose predictions have similar scores."""

    low = serializers.FloatField()
    high = serializers.FloatField()
    annotations = serializers.IntegerField(source="answers")
    score = serializers.FloatField(help_text="mean")
    agreement = serializers.FloatField(source="correct", help_text="mean")


class NotShownSerializer(serializers.Serializer[Any]):
    """Annotations whose annotators saw no prediction."""

    annotations = serializers.IntegerField()
    agreement = IntervalField()
    difference = IntervalField(allow_null=True)
    meaning = serializers.CharField(help_text="of the difference, as a sentence")


class LiveQualitySerializer(serializers.Serializer[Any]):
    """Live agreement of a version in the last 90 days.

    All but `not_shown` is about annotations whose annotators saw the prediction.
    """

    version = serializers.CharField()
    annotations = serializers.IntegerField()
    agreement = IntervalField(allow_null=True)
    not_shown = NotShownSerializer(
        allow_null=True, help_text="null: there are no such annotations"
    )
    days = LiveDaySerializer(many=True)
    controls = LiveControlSerializer(many=True)
    annotators = LiveAnnotatorSerializer(
        many=True, help_text="the 100 with the most annotations"
    )
    labels = LiveLabelSerializer(many=True)
    calibration = CalibrationSerializer(many=True)
    calibration_error = serializers.FloatField(allow_null=True)


class DropSerializer(serializers.Serializer[Any]):
    """Live agreement of the served version is below its usual level."""

    usual = serializers.FloatField(help_text="mean of its first annotations")
    level = serializers.FloatField(help_text="mean since it fell")
    annotations = serializers.IntegerField(help_text="since it fell")
    since = serializers.DateTimeField(help_text="about when it fell")
    reported_at = serializers.DateTimeField()


class ExpectedSerializer(serializers.Serializer[Any]):
    """The agreement to expect of the latest predictions, by their scores."""

    version = serializers.CharField()
    agreement = IntervalField(allow_null=True)
    predictions = serializers.IntegerField(help_text="that it is expected of")
    left_out = serializers.IntegerField(
        help_text="with scores that too few annotated predictions had"
    )
    annotations = serializers.IntegerField(help_text="that say what a score is worth")
    sentence = serializers.CharField()
    warning = serializers.CharField(
        help_text="why not to rely on it, such as drift; empty: nothing is known"
    )


class DriftFeatureSerializer(serializers.Serializer[Any]):
    """What was compared of the live tasks and the training snapshot."""

    name = serializers.CharField()
    live = serializers.CharField(help_text="what is typical now")
    reference = serializers.CharField(help_text="and what was")
    live_tasks = serializers.IntegerField()
    reference_tasks = serializers.IntegerField()
    divergence = serializers.FloatField(help_text="Jensen-Shannon, in bits")
    threshold = serializers.FloatField(help_text="what chance may cause")
    stays_above = serializers.FloatField(help_text="below, a difference is over")
    differs = serializers.BooleanField()
    sentence = serializers.CharField(help_text="that it differs, and how")


class DriftSerializer(serializers.Serializer[Any]):
    """The latest check of the served version for drift."""

    checked_at = serializers.DateTimeField()
    live_tasks = serializers.IntegerField()
    summary = serializers.CharField()
    features = DriftFeatureSerializer(many=True)
    notes = serializers.ListField(
        child=serializers.CharField(), help_text="what was not compared"
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A version that serves since yesterday",
            {
                "served_version": "v3",
                "held_out": {
                    "evaluation_id": 12,
                    "compared_with": "v2",
                    "tasks": 31,
                    "score": [0.96, 0.83, 0.99],
                    "score_compared_with": [0.93, 0.79, 0.98],
                    "finished_at": "2026-11-30T09:12:00Z",
                },
                "live": [
                    {
                        "version": "v3",
                        "annotations": 40,
                        "agreement": [0.9, 0.77, 0.96],
                        "not_shown": {
                            "annotations": 5,
                            "agreement": [0.8, 0.38, 0.96],
                            "difference": [0.1, -0.11, 0.53],
                            "meaning": "An influence of suggestions cannot be told from"
                            " chance: shown minus not shown is 10 points (-11 to 53).",
                        },
                        "days": [
                            {"day": "2026-11-30", "annotations": 40, "agreement": 0.9}
                        ],
                        "controls": [
                            {
                                "control": "topic",
                                "annotations": 40,
                                "agreement": [0.9, 0.77, 0.96],
                            }
                        ],
                        "annotators": [
                            {
                                "user_id": 3,
                                "annotations": 40,
                                "agreement": [0.9, 0.77, 0.96],
                            }
                        ],
                        "labels": [
                            {
                                "label": "topic: Refund",
                                "annotations": 22,
                                "both": 18,
                                "only_predicted": 3,
                                "only_annotated": 1,
                                "precision": 0.857,
                                "recall": 0.947,
                            }
                        ],
                        "calibration": [
                            {
                                "low": 0.8,
                                "high": 0.9,
                                "annotations": 40,
                                "score": 0.86,
                                "agreement": 0.9,
                            }
                        ],
                        "calibration_error": 0.04,
                    }
                ],
                "expected": {
                    "version": "v3",
                    "agreement": [0.83, 0.78, 0.87],
                    "predictions": 488,
                    "left_out": 12,
                    "annotations": 310,
                    "sentence": "Expected agreement of the last 488 predictions"
                    " without annotation: 83.0 % (78.0–87.0 %). 12 more are left out,"
                    " because few annotations have such scores.",
                    "warning": "Do not rely on the expected agreement: with this drift,"
                    " a score may no longer mean what it meant.",
                },
                "drop": None,
                "drift": {
                    "checked_at": "2026-11-30T09:12:00Z",
                    "live_tasks": 500,
                    "summary": "Length of text differs from what v3 was trained on:"
                    " median 420 characters, before median 80 characters.",
                    "features": [
                        {
                            "name": "Length of text",
                            "live": "median 420 characters",
                            "reference": "median 80 characters",
                            "live_tasks": 500,
                            "reference_tasks": 1000,
                            "divergence": 0.41,
                            "threshold": 0.015,
                            "stays_above": 0.009,
                            "differs": True,
                            "sentence": "Length of text differs from what v3 was"
                            " trained on: median 420 characters, before median 80"
                            " characters.",
                        }
                    ],
                    "notes": [],
                },
            },
            response_only=True,
        )
    ]
)
class QualitySerializer(serializers.Serializer[Any]):
    """On held-out tasks, and live."""

    served_version = serializers.CharField()
    held_out = HeldOutSerializer(
        allow_null=True, help_text="null: the served version was not evaluated"
    )
    live = LiveQualitySerializer(
        many=True, help_text="the served version, then the one before it"
    )
    expected = ExpectedSerializer(help_text="of the served version")
    drop = DropSerializer(allow_null=True, help_text="null: there is none")
    drift = DriftSerializer(allow_null=True, help_text="null: it was not checked")


class QualityView(ProjectReportView):
    """How good the served version is."""

    @extend_schema(
        responses={200: QualitySerializer, **errors(401, 403, 404, 429, 503)},
        tags=["operators"],
    )
    def get(self, request: Request, project_pk: int) -> Response:
        """Return the quality on held-out tasks and the live agreement."""
        project = self.project()
        live = live_quality(project, served_and_former(project))
        check = latest_check(project)
        found = {
            "served_version": project.served_version,
            "held_out": _held_out(project),
            "live": live,
            "expected": asdict(expected_of(project, live[0]))
            | {"warning": check.warning if check else ""},
            "drop": next(iter(drops(project)), None),
            "drift": check,
        }
        return Response(QualitySerializer(found).data)


def _held_out(project: Project) -> dict[str, Any] | None:
    evaluations = Evaluation.objects.select_related("version", "compared_with")
    latest = (
        evaluations.filter(
            project=project,
            version=project.active_version,
            compared_on=Evaluation.ComparedOn.HELD_OUT,
        )
        .exclude(verdict="")
        .defer("log", "task_scores")
        .order_by("-pk")
        .first()
    )
    if latest is None:
        return None
    new, other = latest.report["versions"]
    return {
        "evaluation_id": latest.pk,
        "compared_with": latest.other,
        "tasks": latest.task_count,
        "score": new["score"],
        "score_compared_with": other["score"],
        "finished_at": latest.finished_at,
    }
