"""Tasks that were predicted and are sent to Label Studio together."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from lsml.inference.models import PredictionJob, PredictionProblem
from lsml.jobs.errors import storable

Kind = PredictionProblem.Kind

# Label Studio recounts all tasks of the project for each POST, so few and large ones.
# Two batches are in memory: one is being sent, one is filled.
TASKS_MAX = 5_000
BYTES_MAX = 20_000_000  # of JSON; Label Studio itself takes 250 MB
_REASON_CHARS_MAX = 500


@dataclass
class Batch:
    """What happened to the tasks since the batch before.

    Attributes:
        version: of all its predictions.
        upto: our key of the last task.
        predictions: to be sent, as JSON, by Label Studio's ID of the task.
        counts: tasks, by the name of the job's column.
        problems: tasks without a new prediction.
    """

    version: str
    upto: int
    predictions: dict[int, list[bytes]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[PredictionProblem] = field(default_factory=list)
    size: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.predictions) >= TASKS_MAX or self.size >= BYTES_MAX

    def add(self, task_id: int, predictions: list[dict[str, Any]]) -> None:
        """Add a task's predictions."""
        encoded = [orjson.dumps({"task": task_id, **each}) for each in predictions]
        self.predictions[task_id] = encoded
        self.size += sum(map(len, encoded))

    def add_problem(
        self, job: PredictionJob, task_id: int, kind: Kind, reason: str
    ) -> None:
        """Add a task that gets no prediction, and count it."""
        self.counts[kind.value] += 1
        text = storable(reason)[:_REASON_CHARS_MAX]
        self.problems.append(
            PredictionProblem(job=job, task_id=task_id, kind=kind, reason=text)
        )

    def body(self) -> bytes:
        """Return the body of the POST."""
        each = (one for many in self.predictions.values() for one in many)
        return b"[" + b",".join(each) + b"]"

    def prediction_count(self) -> int:
        """Return the number of predictions to be sent."""
        return sum(map(len, self.predictions.values()))
