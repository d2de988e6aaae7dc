"""A model in memory: the only place where `predict()` and `embed()` are called."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from label_studio_ml.model import LabelStudioMLBase
from lsml.audit.models import Prediction
from lsml.inference.answers import TaskPrediction, answers_one_only, read_answer
from lsml.inference.calls import Answer, Call, OnTimeout
from lsml.inference.errors import USER_ERRORS, ModelError
from lsml.inference.hosting import figures
from lsml.inference.hosting.queue import PredictQueue, Turn
from lsml.inference.hosting.watch import in_time, watch
from lsml.inference.vectors import read_vectors
from lsml.labelstudio.secrets import error_text
from lsml.observability.origin import Origin
from lsml.registry.artifact_cache import CachedArtifact
from lsml.registry.state import ProjectStore

log = structlog.get_logger(__name__)


class HostedModel:
    """A loaded model and the queue of its calls.

    Args:
        model: As `load_version` created it.
        store: The model's state.
        queue: Of this model, or of all models that share its weights.
        bytes_taken: Memory that loading it took, about; 0 = not known.
        artifact: The files it was loaded from. It may open them later, so they stay in
            the cache as long as this object exists.
    """

    def __init__(
        self,
        model: LabelStudioMLBase,
        store: ProjectStore,
        queue: PredictQueue,
        *,
        bytes_taken: int,
        artifact: CachedArtifact | None,
    ) -> None:
        self.model = model
        self.store = store
        self.queue = queue
        self.bytes_taken = bytes_taken
        self.artifact = artifact

    def predict(self, call: Call, *, until: float, on_timeout: OnTimeout) -> Answer:
        """Wait for a place, call the model, and check what it returned.

        Args:
            call: The call.
            until: `time.monotonic()` after which it no longer waits.
            on_timeout: Called if `predict()` does not end within PREDICT_TIMEOUT_S.

        Raises:
            ModelBusy: The queue is full, or no place became free in time.
            ModelTimedOut: Only in a worker: it hangs. A thread is left behind in it.
            ModelError: The model raised, or returned something unusable.
        """
        with self.queue.turn(
            call, model=self, until=until, on_timeout=on_timeout
        ) as turn:
            in_time(lambda: self._run(turn.batch), "predict()")
        return turn.result()

    def embed(
        self, tasks: list[dict[str, Any]], origin: Origin, *, until: float
    ) -> list[list[float]]:
        """Wait for a place as bulk predictions do, and return a vector for each task.

        Raises:
            ModelBusy: The queue is full, or no place became free in time.
            ModelTimedOut: Only in a worker: it hangs. A thread is left behind in it.
            ModelError: The model raised, or returned something unusable.
        """
        call = Call(tasks, Prediction.Kind.BULK, origin, embeds=True)
        with self.queue.turn(
            call, model=self, until=until, on_timeout=lambda: None
        ) as turn:
            return in_time(lambda: self._embed(turn), "embed()")

    def _embed(self, turn: Turn) -> list[list[float]]:
        tasks = turn.call.tasks
        with self._calling("embed()", [turn], tasks):
            return read_vectors(self.model.embed(tasks), tasks=tasks)

    def _run(self, batch: list[Turn]) -> None:
        """Settle every turn of a batch; none, if another thread settled this turn."""
        if len(batch) > 1 and self._settle_together(batch):
            return
        for turn in batch:  # so that nobody gets the error of another's task
            self._settle(turn)

    def _settle_together(self, batch: list[Turn]) -> bool:
        """Settle a batch with one call. Return False if that call failed."""
        tasks = [task for turn in batch for task in turn.call.tasks]
        started = time.perf_counter()
        try:
            by_task = iter(self._by_task(tasks, batch))
        except Exception:  # noqa: BLE001 - each turn is tried alone, and has its error
            return False
        seconds = time.perf_counter() - started
        version = self.store.take_adopted() or ""
        for turn in batch:
            own = [next(by_task) for _ in turn.call.tasks]
            turn.settle(Answer(own, seconds, version))
        return True

    def _settle(self, turn: Turn) -> None:
        started = time.perf_counter()
        try:
            by_task = self._by_task(turn.call.tasks, [turn])
        except Exception as error:  # noqa: BLE001 - raised again in the turn's thread
            turn.settle(error)
            return
        seconds = time.perf_counter() - started
        turn.settle(Answer(by_task, seconds, self.store.take_adopted() or ""))

    def _by_task(
        self, tasks: list[dict[str, Any]], turns: list[Turn]
    ) -> list[list[TaskPrediction]]:
        returned = self._call(tasks, turns)
        if answers_one_only(returned, tasks=tasks):
            # Label Studio would now send each task in a request of its own.
            singly = ([task] for task in tasks)
            return [read_answer(self._call(one, turns), tasks=one)[0] for one in singly]
        return read_answer(returned, tasks=tasks)

    def _call(self, tasks: list[dict[str, Any]], turns: list[Turn]) -> object:
        """Call `predict()` for turns that go together."""
        figures.batch_tasks.observe(len(tasks))
        call = turns[0].call
        with self._calling("predict()", turns, tasks):
            return self.model.predict(tasks, context=call.context, **call.params)

    @contextmanager
    def _calling(
        self, method: str, turns: list[Turn], tasks: list[dict[str, Any]]
    ) -> Iterator[None]:
        """Watch the block, which calls the model, and put its errors into words."""
        in_block = connection.in_atomic_block
        try:
            with watch.running(
                method,
                [turn.on_timeout for turn in turns],
                project_pk=self.store.project_pk,
                requests=[turn.call.origin.request_id for turn in turns],
                tasks=[task.get("id") for task in tasks],
            ):
                yield
        except (DatabaseError, ModelError):
            raise  # the model's `self.get` needs the database: no error of the model
        except USER_ERRORS as error:
            raise ModelError(f"{method} raised {error_text(error)}") from error
        finally:
            if connection.in_atomic_block and not in_block:
                _leave_block(method)


def _leave_block(method: str) -> None:
    """Roll back what the model left open, so that it takes no audit rows with it."""
    log.warning(
        "the model entered transaction.atomic() and did not leave it",
        method=method,
        effect="what it wrote there is rolled back",
    )
    connection.close()
    connection.connect()
