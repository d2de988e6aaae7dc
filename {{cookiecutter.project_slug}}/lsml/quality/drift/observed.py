"""What is compared of a task: of its predictions, its annotations and its texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """What is compared of a prediction or an annotation."""

    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)  # by control
    score: float | None = None
    pixels: float | None = None  # of the task's image; None = not known


@dataclass(frozen=True, slots=True)
class Text:
    """What is compared of a text."""

    characters: int
    words: frozenset[str]  # the different ones, of its beginning
