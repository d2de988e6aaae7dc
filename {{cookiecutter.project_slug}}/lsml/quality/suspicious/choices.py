"""Finds the choices that the model doubts, by confident learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lsml.dataset.measures import Region
from lsml.quality.suspicious.doubts import Doubt, score_of

_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Choice:
    """The one label that the annotator chose, and the one that the model chose."""

    given: str
    predicted: str
    score: float  # of the predicted one


def compared_choice(
    annotated: list[Region],
    predicted: list[Region],
    *,
    score: float | None,
    labels: Sequence[str],
) -> Choice | None:
    """Return what both chose; None unless it is one label each, and scored.

    A score at or below chance, such as an untrained model's, is ignored.
    """
    given, ours = _only_choice(annotated), _only_choice(predicted)
    if given is None or ours is None:
        return None
    confidence = score_of(predicted[0], score)
    chance = 1 / len(labels) if labels else 0.0
    if confidence is None or confidence <= chance + _ROUNDING:
        return None
    return Choice(given, ours, confidence)


def doubtful_choices(
    choices: Sequence[Choice], labels: Sequence[str]
) -> list[Doubt | None]:
    """Return what the model says against each choice; None if it agrees.

    Args:
        choices: All of one control: how sure the model usually is of a label decides
            what is a confident contradiction.
        labels: Those that the config offers.
    """
    import numpy as np  # here: it takes a tenth of a second, in each web process

    from lsml.quality.suspicious import confident

    used = {label for one in choices for label in (one.given, one.predicted)}
    names = sorted({*labels, *used})
    if len(names) < 2:
        return [None] * len(choices)
    number = {name: at for at, name in enumerate(names)}
    given = np.array([number[one.given] for one in choices])
    probabilities = confident.spread(
        np.array([number[one.predicted] for one in choices]),
        np.array([one.score for one in choices]),
        classes=len(names),
    )
    columns = zip(
        choices,
        confident.contradicted(given, probabilities).tolist(),
        confident.self_confidence(given, probabilities).tolist(),
        confident.label_issues(given, probabilities).tolist(),
        strict=True,
    )
    return [
        Doubt(quality, issue, one.given, f"says {one.predicted} ({one.score:.2f})")
        if contradicted
        else None
        for one, contradicted, quality, issue in columns
    ]


def _only_choice(regions: list[Region]) -> str | None:
    choices = regions[0]["value"].get("choices") if len(regions) == 1 else None
    if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], str):
        return choices[0]
    return None
