"""What live agreement to expect of the latest predictions, before they are annotated.

Two or three queries, of bounded numbers of rows.
"""

from dataclasses import dataclass
from typing import Final

from lsml.audit.models import Prediction
from lsml.dataset.figures import interval
from lsml.dataset.models import Annotation
from lsml.quality.live.services import DAYS, LiveQuality
from lsml.quality.statistics.expected import expected_agreement
from lsml.quality.statistics.intervals import Interval
from lsml.registry.models import Project

PREDICTIONS_MAX: Final = 500  # without annotation, of different tasks
ANNOTATIONS_MIN: Final = 50  # whose predictions have a score
_LOOKED_AT_MAX: Final = 3_000  # predictions, to find those


@dataclass(frozen=True, slots=True)
class ExpectedAgreement:
    """What the scores of the latest predictions of a version promise."""

    version: str
    agreement: Interval | None  # None = it cannot be told, `sentence` says why
    predictions: int  # that it is expected of
    left_out: int  # others, with scores that few annotated predictions had
    annotations: int  # that say what a score is worth
    sentence: str


def expected_of(project: Project, live: LiveQuality) -> ExpectedAgreement:
    """Return the expected agreement of a version's latest unannotated predictions.

    Args:
        project: Whose version it is.
        live: The version's live agreement, with its calibration.
    """
    annotations = sum(each.answers for each in live.calibration)
    scores = _scores_without_annotation(project, live.version)
    enough = annotations >= ANNOTATIONS_MIN
    found = expected_agreement(live.calibration, scores) if enough else None
    predictions = found.predictions if found else 0
    return ExpectedAgreement(
        live.version,
        found and found.agreement,
        predictions,
        len(scores) - predictions,
        annotations,
        _sentence(found and found.agreement, predictions, len(scores), annotations),
    )


def _scores_without_annotation(project: Project, version: str) -> list[float]:
    """Return the scores of the latest predictions of tasks that nobody annotated."""
    rows = Prediction.objects.with_facts(project_pk=project.pk, model_version=version)
    columns = rows.order_by("-pk").values_list("task_id", "score", "kind", "outcome")
    latest: dict[int, float | None] = {}
    for task_id, score, kind, outcome in columns[:_LOOKED_AT_MAX]:
        is_shown = kind in Prediction.TASK_KINDS and outcome == Prediction.Outcome.OK
        if task_id is not None and is_shown:
            latest.setdefault(task_id, score)
    rows_of = Annotation.objects.trainable().filter(
        project=project, task_id__in=list(latest)
    )
    annotated = set(rows_of.values_list("task_id", flat=True))
    scores = [
        score
        for task_id, score in latest.items()
        if task_id not in annotated and score is not None and 0 <= score <= 1
    ]
    return scores[:PREDICTIONS_MAX]


def _sentence(
    agreement: Interval | None, predictions: int, scored: int, annotations: int
) -> str:
    if not scored:
        return (
            "Expected agreement is not known: no prediction without annotation has a"
            " score from 0 to 1."
        )
    if annotations < ANNOTATIONS_MIN:
        return (
            f"Expected agreement is not known yet: {annotations} annotated predictions"
            f" of the last {DAYS} days have a score, {ANNOTATIONS_MIN} are needed."
        )
    if agreement is None:
        return (
            f"Expected agreement is not known: the scores of the {scored} predictions"
            " without annotation differ from those of the annotated ones."
        )
    rest = scored - predictions
    return (
        f"Expected agreement of the last {predictions} predictions without annotation:"
        f" {interval(agreement, predictions)}"
        + (
            f". {rest} more are left out, because few annotations have such scores."
            if rest
            else "."
        )
    )
