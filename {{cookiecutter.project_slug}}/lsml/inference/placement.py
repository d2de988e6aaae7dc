"""Where the models are: in this process, or in a model process (MODEL_PLACEMENT)."""

import time
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings

from lsml.audit.models import Prediction
from lsml.inference.calls import JOB_KINDS, Answer, Call, OnTimeout
from lsml.inference.errors import (
    ModelBusy,
    ModelCrashed,
    ModelTimedOut,
    StillLoading,
)
from lsml.inference.serving import messages
from lsml.inference.status import ProcessStatus
from lsml.model_process import client
from lsml.model_process.errors import (
    ModelProcessEnded,
    ModelProcessUnavailable,
    NoAnswerInTime,
)
from lsml.model_process.processes import BACKGROUND, SERVING, ModelProcess
from lsml.observability import tracing
from lsml.observability.origin import Origin
from lsml.registry.served import Served

_ANSWER_S = 5.0  # for the way there and back
# For what takes a moment. A process that needs longer counts as down: it is frozen, or
# its model keeps the interpreter to itself. Prometheus waits 10 s for both processes.
_ALIVE_S = 4.0
_REFUSE_S = 0.2
_REPEAT_S = 0.02


class Models(Protocol):
    """The models of all projects. `ModelHost` documents the methods."""

    def predict(
        self, serving: Served, call: Call, *, on_timeout: OnTimeout
    ) -> Answer: ...

    def embed(
        self,
        serving: Served,
        tasks: list[dict[str, Any]],
        origin: Origin,
        *,
        wait_s: float,
    ) -> list[list[float]]: ...

    def load(
        self, serving: Served, origin: Origin, *, within_s: float | None = None
    ) -> None: ...

    def status(self) -> ProcessStatus: ...


def models(kind: Prediction.Kind | None = None) -> Models:
    """Return the models, as this process reaches them.

    Args:
        kind: What they are to predict. Nobody waits for the kind `shadow`, so it has
            models of its own if there is a background model process.
    """
    if settings.MODEL_PLACEMENT == "process":
        in_background = kind is Prediction.Kind.SHADOW and BACKGROUND.url
        return ModelsElsewhere(BACKGROUND if in_background else SERVING)
    # Imported here: it declares metrics that only the process with the models reports.
    from lsml.inference.hosting.host import host

    return host


@dataclass(frozen=True, slots=True)
class _Refused:
    """The model process has just refused a prediction of a project and kind."""

    error: ModelBusy
    until: float  # monotonic; until then its like are refused here


# Keeps clients that repeat a refused prediction at once from keeping the model process
# and this one busy with refusals. It refuses when others wait for PREDICT_WAIT_S, so
# this is little.
_refused: dict[tuple[int, str], _Refused] = {}


@dataclass(frozen=True, slots=True)
class ModelsElsewhere:
    """The models in a model process.

    Raises, besides what `ModelHost` raises, ModelProcessUnavailable.
    """

    _process: ModelProcess

    def predict(self, serving: Served, call: Call, *, on_timeout: OnTimeout) -> Answer:
        """Let the model process predict.

        Raises:
            ModelTimedOut: It did not answer within PREDICT_TIMEOUT_S, so `on_timeout`
                is not called.
            ModelCrashed: It ended meanwhile. Only for jobs, which must not try again
                for ever; others get ModelProcessUnavailable, and can.
        """
        key = serving.project_pk, call.kind
        if (refused := _refused.get(key)) and refused.until > time.monotonic():
            time.sleep(_REPEAT_S)  # slows down clients that do not
            raise ModelBusy(
                str(refused.error), retry_after_s=refused.error.retry_after_s
            )
        message = messages.call_message(serving, call)
        timeout_s = settings.PREDICT_TIMEOUT_S
        try:
            answer = self._call("/predict", message, timeout_s=timeout_s)
        except NoAnswerInTime as error:
            raise ModelTimedOut(timeout_s) from error
        except ModelProcessEnded as error:
            if call.kind in JOB_KINDS:
                raise ModelCrashed from error
            raise
        try:
            messages.raise_error(answer)
        except ModelBusy as error:
            _refused[key] = _Refused(error, time.monotonic() + _REFUSE_S)
            raise
        return messages.read_answer(answer)

    def embed(
        self,
        serving: Served,
        tasks: list[dict[str, Any]],
        origin: Origin,
        *,
        wait_s: float,
    ) -> list[list[float]]:
        """Let the model process embed tasks.

        Raises:
            ModelTimedOut: It did not answer within PREDICT_TIMEOUT_S.
        """
        message = messages.embed_message(serving, tasks, origin, wait_s)
        timeout_s = settings.PREDICT_TIMEOUT_S
        try:
            answer = self._call("/embed", message, timeout_s=timeout_s)
        except NoAnswerInTime as error:
            raise ModelTimedOut(timeout_s, "embed()") from error
        messages.raise_error(answer)
        vectors: list[list[float]] = answer["vectors"]
        return vectors

    def load(
        self, serving: Served, origin: Origin, *, within_s: float | None = None
    ) -> None:
        """Let the model process load a version."""
        within_s = settings.PREDICT_TIMEOUT_S if within_s is None else within_s
        message = messages.load_message(serving, origin) | {"within_s": within_s}
        timeout_s = within_s + _ANSWER_S
        try:
            answer = self._call("/load", message, timeout_s=timeout_s)
        except NoAnswerInTime as error:
            raise StillLoading(serving.version, waited_s=within_s) from error
        messages.raise_error(answer)

    def status(self) -> ProcessStatus:
        """Return figures of the process.

        Raises:
            ModelProcessUnavailable, NoAnswerInTime: It does not answer.
        """
        answer = client.call(
            "GET", "/status", timeout_s=_ALIVE_S, process=self._process
        )
        messages.raise_error(answer)
        return messages.read_status(answer)

    def _call(self, path: str, message: messages.Message, *, timeout_s: float) -> Any:
        message = message | {"traceparent": tracing.traceparent()}
        return client.call(
            "POST", path, message, timeout_s=timeout_s, process=self._process
        )


def is_down(process: ModelProcess) -> bool:
    """Return whether a model process does not answer: it is away, frozen, or hangs."""
    try:
        client.send("GET", "/live", timeout_s=_ALIVE_S, process=process)
    except (ModelProcessUnavailable, NoAnswerInTime):
        return True
    return False


def model_metrics() -> bytes:
    """Return the model process's metrics for Prometheus, and which processes answer.

    Models in the web processes report theirs with the other metrics of web.
    """
    if settings.MODEL_PLACEMENT != "process":
        return b""
    try:
        own, up = client.send("GET", "/metrics", timeout_s=_ALIVE_S), True
    except (ModelProcessUnavailable, NoAnswerInTime):
        own, up = b"", False
    own += _is_up(SERVING, up)
    return own + _is_up(BACKGROUND, not is_down(BACKGROUND)) if BACKGROUND.url else own


def _is_up(process: ModelProcess, up: bool) -> bytes:
    name = f"lsml_{process.name.replace(' ', '_')}_up"
    return (
        f"# HELP {name} Whether the {process.name} answers\n"
        f"# TYPE {name} gauge\n{name} {int(up)}\n"
    ).encode()
