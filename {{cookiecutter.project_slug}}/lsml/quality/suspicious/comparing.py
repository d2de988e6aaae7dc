"""Compares an annotation with a prediction, control by control."""

from collections.abc import Mapping, Sequence

from lsml.dataset.measures import by_control
from lsml.quality.suspicious.choices import Choice, compared_choice
from lsml.quality.suspicious.doubts import Doubt
from lsml.quality.suspicious.regions import OVERLAPS, worst_region


def compare(
    annotated: Sequence[object],
    predicted: Sequence[object],
    *,
    score: float | None,
    labels: Mapping[str, Sequence[str]],
) -> dict[str, Choice | Doubt]:
    """Return by control what can be compared; the others are left out.

    Args:
        annotated: The result of the annotation.
        predicted: The result of the prediction.
        score: Of the prediction, for regions without a score of their own.
        labels: By control, as far as the config names them.
    """
    theirs = by_control(annotated)
    found: dict[str, Choice | Doubt] = {}
    for control, regions in by_control(predicted).items():
        kind, answered = str(regions[0].get("type")), theirs.get(control, [])
        answer: Choice | Doubt | None = None
        if kind == "choices":
            offered = labels.get(control, ())
            answer = compared_choice(answered, regions, score=score, labels=offered)
        elif overlap := OVERLAPS.get(kind):
            answer = worst_region(regions, answered, overlap=overlap, score=score)
        if answer is not None:
            found[control] = answer
    return found
