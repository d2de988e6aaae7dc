"""Reads the probabilities of models that did not learn from a task, such as folds."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from lsml.dataset.measures import by_control
from lsml.quality.suspicious.choices import doubts_by_rows, only_choice
from lsml.quality.suspicious.doubts import Doubt
from lsml.registry.models import Project
from lsml.training.models import OutOfSample


@dataclass(frozen=True, slots=True)
class Validated:
    """The one label that the annotator chose, and the row of its task."""

    given: str
    row: int


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """The probabilities of one control."""

    version: str  # whose training reported them
    labels: list[str]
    rows: dict[int, int]  # by task ID
    numbers: bytes  # see `OutOfSample`

    def knows(self, label: str, row: int) -> bool:
        """Return whether the model that predicted this task knew the label."""
        if label not in self.labels:
            return False
        place = row * len(self.labels) + self.labels.index(label)
        number: float = struct.unpack_from("<f", self.numbers, 4 * place)[0]
        return not math.isnan(number)

    def doubtful(self, choices: Sequence[Validated]) -> list[Doubt | None]:
        """Return what the probabilities say against each choice; None if they agree."""
        import numpy as np  # here: it takes a tenth of a second, in each web process

        numbers = np.nan_to_num(np.frombuffer(self.numbers, "<f4").astype(float))
        table = numbers.reshape(-1, len(self.labels))
        return doubts_by_rows(
            [one.given for one in choices],
            self.labels,
            table[[one.row for one in choices]],
            cross_validated_by=self.version,
        )


def cross_validations(project: Project) -> dict[str, CrossValidation]:
    """Return what the newest version reported, by control."""
    stored = OutOfSample.objects.filter(project=project).select_related("version")
    return {
        one.control: CrossValidation(
            version=one.version.version,
            labels=one.labels,
            rows={task_id: row for row, task_id in enumerate(one.task_ids)},
            numbers=bytes(one.probabilities),
        )
        for one in stored
    }


def validated_choices(
    task_id: int, annotated: list[object], by: dict[str, CrossValidation]
) -> dict[str, Validated]:
    """Return by control the choices that can be checked with the probabilities.

    A label that the model of this task did not know cannot.
    """
    found: dict[str, Validated] = {}
    rows = {
        control: one.rows[task_id] for control, one in by.items() if task_id in one.rows
    }
    answers = by_control(annotated) if rows else {}
    for control, row in rows.items():
        given = only_choice(answers.get(control, []))
        if given and by[control].knows(given, row):
            found[control] = Validated(given, row)
    return found
