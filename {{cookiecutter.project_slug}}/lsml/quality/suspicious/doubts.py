"""What a prediction says against an annotation."""

from dataclasses import dataclass

from lsml.dataset.measures import Region


@dataclass(frozen=True, slots=True)
class Doubt:
    """A contradiction between prediction and annotation in one control."""

    quality: float  # 0 to 1: how probable the model finds the annotation
    confident: bool  # the model contradicts as surely as it usually answers
    annotated: str  # the label; "" = nothing
    says: str  # what the model says, in words
    cross_validated_by: str = ""  # the version; "" = a recorded prediction says so


def score_of(region: Region, default: float | None) -> float | None:
    """Return the score of a region, or else of its prediction; None = none from 0 to 1.

    Args:
        region: Of a prediction.
        default: The score of the prediction.
    """
    score = region.get("score")
    score = default if score is None else score
    return score if isinstance(score, int | float) and 0 <= score <= 1 else None
