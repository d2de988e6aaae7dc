"""One call of the model and its answer, wherever the model is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lsml.audit.models import Prediction
from lsml.inference.answers import TaskPrediction
from lsml.observability.origin import Origin

# Called, in another thread, for a call that does not end within PREDICT_TIMEOUT_S.
OnTimeout = Callable[[], object]

# The order in which a busy model takes what waits.
KINDS_BY_URGENCY = (
    Prediction.Kind.INTERACTIVE,
    Prediction.Kind.BATCH,
    Prediction.Kind.BULK,
    Prediction.Kind.SHADOW,
)
JOB_KINDS = (Prediction.Kind.BULK, Prediction.Kind.SHADOW)


@dataclass(frozen=True, slots=True)
class Call:
    """What to predict. All tasks are of one project."""

    tasks: list[dict[str, Any]]
    kind: Prediction.Kind
    origin: Origin
    context: dict[str, Any] | None = None
    params: dict[str, Any] = field(default_factory=dict)  # others of predict()
    embeds: bool = False  # calls embed() instead of predict()

    @property
    def may_be_shared(self) -> bool:
        """Whether one call of the model may also take the tasks of other calls."""
        return self.context is None and not self.embeds


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model predicted, checked."""

    by_task: list[list[TaskPrediction]]  # as the tasks were ordered; [] = no prediction
    seconds: float  # in the model's predict()
    # The version that the model named meanwhile, as the reference allows; "" = none.
    version: str = ""
