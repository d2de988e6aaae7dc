"""Finds the choices that the model doubts, by confident learning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lsml.dataset.measures import Region
from lsml.quality.suspicious.doubts import Doubt, score_of

if TYPE_CHECKING:
    from lsml.quality.suspicious.confident import Numbers

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
    given, ours = only_choice(annotated), only_choice(predicted)
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
    if not choices or len(names) < 2:
        return [None] * len(choices)
    number = {name: at for at, name in enumerate(names)}
    probabilities = confident.spread(
        np.array([number[one.predicted] for one in choices]),
        np.array([one.score for one in choices]),
        classes=len(names),
    )
    return doubts_by_rows([one.given for one in choices], names, probabilities)


def doubts_by_rows(
    given: Sequence[str],
    names: Sequence[str],
    probabilities: "Numbers",
    *,
    cross_validated_by: str = "",
) -> list[Doubt | None]:
    """Return what the model says against each choice; None if it agrees.

    Args:
        given: The labels that annotators chose, all of one control.
        names: Of the columns of `probabilities`, with all of `given`.
        probabilities: How probable the model finds them, a row for each choice.
        cross_validated_by: The version whose cross-validation they are, if any.
    """
    import numpy as np

    from lsml.quality.suspicious import confident

    number = {name: at for at, name in enumerate(names)}
    classes = np.array([number[label] for label in given], dtype=np.int64)
    columns = zip(
        given,
        confident.contradicted(classes, probabilities).tolist(),
        confident.self_confidence(classes, probabilities).tolist(),
        confident.label_issues(classes, probabilities).tolist(),
        probabilities.argmax(axis=1).tolist(),
        probabilities.max(axis=1).tolist(),
        strict=True,
    )
    return [
        Doubt(
            quality,
            issue,
            label,
            f"says {names[best]} ({score:.2f})",
            cross_validated_by,
        )
        if contradicted
        else None
        for label, contradicted, quality, issue, best, score in columns
    ]


def only_choice(regions: list[Region]) -> str | None:
    """Return the label of an answer that has exactly one."""
    choices = regions[0]["value"].get("choices") if len(regions) == 1 else None
    if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], str):
        return choices[0]
    return None
