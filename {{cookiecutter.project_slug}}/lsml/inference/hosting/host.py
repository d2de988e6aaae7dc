"""Keeps models in memory: one instance per process and version, loaded once."""

import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connections

from label_studio_ml.hosting import offers_prefetch
from label_studio_ml.task_cache import task_cache_figures
from lsml.inference.calls import Answer, Call, OnTimeout
from lsml.inference.errors import (
    ModelBusy,
    ModelNotLoadable,
    ModelTimedOut,
    StillLoading,
)
from lsml.inference.hosting import figures
from lsml.inference.hosting.hosted import HostedModel
from lsml.inference.hosting.loading import load
from lsml.inference.hosting.memory import gpu_megabytes, memory_of_process
from lsml.inference.hosting.prefetch import prefetch_opened
from lsml.inference.hosting.watch import LOAD_TIMEOUT_S, in_time, watch
from lsml.inference.status import LoadedModel, ProcessStatus
from lsml.observability.origin import Origin
from lsml.registry.served import Served

_Key = tuple[int, str, str]  # project, version, label config

# Seconds without a request after which a version is dropped, once its project uses
# another one. The last one stays, or is dropped after MODELS_IDLE_MAX_S.
_IDLE_S = 60.0
_LOOK_EVERY_S = 15.0


class _Slot:
    """Holds one model. One thread loads it while the others wait."""

    def __init__(self) -> None:
        self.loading = threading.Lock()
        self.hosted: HostedModel | None = None
        self.hangs = ""  # why the version counts as not loadable; "" = it does not hang
        self.used_at = time.monotonic()


class ModelHost:
    """The models of this process; the least recently used one is dropped first."""

    def __init__(self) -> None:
        self._slots: OrderedDict[_Key, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    def predict(self, serving: Served, call: Call, *, on_timeout: OnTimeout) -> Answer:
        """Load the version's model if needed, wait for a place and call it.

        Args:
            serving: The version.
            call: What to predict.
            on_timeout: Called, in another thread, if `predict()` does not end within
                PREDICT_TIMEOUT_S. This process then restarts, if it is no worker.

        Raises:
            ModelBusy: The queue is full, or no place became free in PREDICT_WAIT_S.
            ModelNotLoadable: This version cannot be fetched or loaded. In a worker,
                also if that takes longer than LOAD_TIMEOUT_S.
            ModelTimedOut: Only in a worker: `predict()` hangs.
            ModelError: The model's code cannot be imported, or `predict()` raised or
                returned something unusable.
            StorageUnavailable: The artifact storage does not answer.
        """
        until = time.monotonic() + settings.PREDICT_WAIT_S
        hosted = self._hosted(serving, call.origin)
        with self._dropped_if_it_hangs(hosted):
            answer = hosted.predict(call, until=until, on_timeout=on_timeout)
        if offers_prefetch(type(hosted.model)):
            prefetch_opened(call, hosted)
        return answer

    def embed(
        self,
        serving: Served,
        tasks: list[dict[str, Any]],
        origin: Origin,
        *,
        wait_s: float,
    ) -> list[list[float]]:
        """Return the model's vector for each task. Predictions of all kinds go first.

        Args:
            serving: The version. Its class has `embed()`.
            tasks: As `embed()` gets them.
            origin: Recorded on the rows that the model's `setup()` writes.
            wait_s: Seconds to wait for a place to call the model.

        Raises:
            ModelBusy, ModelNotLoadable, ModelError, StorageUnavailable: As `predict`.
        """
        hosted = self._hosted(serving, origin)
        with self._dropped_if_it_hangs(hosted):
            return hosted.embed(tasks, origin, until=time.monotonic() + wait_s)

    def load(
        self, serving: Served, origin: Origin, *, within_s: float | None = None
    ) -> None:
        """Load the version into memory, so that the next request finds it there.

        Args:
            serving: The version, whether it is served or not.
            origin: Recorded on the rows that the model's `setup()` writes.
            within_s: Seconds to wait; None = no limit. User code cannot be interrupted,
                so loading continues in its thread, and the next call finds the model
                in memory or waits again.

        Raises:
            ModelNotLoadable: This version cannot be fetched or loaded.
            ModelError: The model's code cannot be imported.
            StillLoading: Not loaded within `within_s`.
            ModelBusy: Another thread has been loading it for PREDICT_WAIT_S.
            StorageUnavailable: The artifact storage does not answer.
        """
        if within_s is None:
            self._hosted(serving, origin)
            return
        loaded: Future[HostedModel] = Future()

        def work() -> None:
            try:
                loaded.set_result(self._hosted(serving, origin))
            except Exception as error:  # noqa: BLE001 - raised again by `result()`
                loaded.set_exception(error)
            finally:
                connections.close_all()

        threading.Thread(target=work, daemon=True).start()
        try:
            loaded.result(timeout=within_s)
        except TimeoutError:
            raise StillLoading(serving.version, waited_s=within_s) from None

    def clear(self) -> None:
        """Drop all models; the next request loads its model again."""
        with self._lock:
            self._slots.clear()

    def start_dropping(self) -> None:
        """Drop idle models also while no request comes, in a thread."""
        threading.Thread(target=self._keep_dropping, daemon=True).start()

    def _keep_dropping(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            with self._lock:
                self._drop_idle()

    def status(self) -> ProcessStatus:
        """Return figures of this process and its models."""
        with self._lock:
            slots = list(reversed(self._slots.items()))
        loaded = [
            LoadedModel(
                project_pk=project_pk,
                version=version,
                megabytes=slot.hosted.bytes_taken >> 20,
                idle_s=round(time.monotonic() - slot.used_at, 1),
                running=slot.hosted.queue.running(slot.hosted),
                places=slot.hosted.queue.places,
                waiting=slot.hosted.queue.waiting(slot.hosted),
            )
            for (project_pk, version, _), slot in slots
            if slot.hosted
        ]
        return ProcessStatus(
            pid=os.getpid(),
            megabytes=memory_of_process() >> 20,
            gpu_megabytes=gpu_megabytes(),
            task_cache=task_cache_figures(),
            models=loaded,
        )

    def _hosted(self, serving: Served, origin: Origin) -> HostedModel:
        key = (serving.project_pk, serving.version, serving.label_config)
        slot = self._slot(key)
        if slot.hosted is not None:
            return slot.hosted
        if not slot.loading.acquire(timeout=settings.PREDICT_WAIT_S):
            raise ModelBusy(
                f"Version {serving.version} is still loading after"
                f" {settings.PREDICT_WAIT_S:g} s. Try again in a moment."
            )
        try:
            if slot.hangs:
                raise ModelNotLoadable(slot.hangs)
            return in_time(
                lambda: self._load(key, slot, serving, origin),
                "load()",
                timeout_s=LOAD_TIMEOUT_S,
            )
        except ModelTimedOut as error:
            # Each further attempt would leave another thread behind.
            slot.hangs = (
                f"{serving.version} did not load within {error.timeout_s:g} s. It is"
                " used if it loads after all; to try anew, restart the worker."
            )
            raise ModelNotLoadable(slot.hangs) from error
        finally:
            slot.loading.release()

    def _load(
        self, key: _Key, slot: _Slot, serving: Served, origin: Origin
    ) -> HostedModel:
        if slot.hosted is not None:  # this one waited for another thread to load it
            return slot.hosted
        try:
            with watch.running(
                "load()",
                [],
                timeout_s=LOAD_TIMEOUT_S,
                restarts=False,  # it would load again, and others wait for this process
                project_pk=serving.project_pk,
                version=serving.version,
            ):
                slot.hosted = hosted = load(serving, origin)
        except BaseException:
            self._forget(key, slot)  # the next request tries again
            raise
        slot.used_at = time.monotonic()  # loading may take minutes
        with self._lock:
            self._keep(key, slot)
            # `setup()` may have named the version. The next request asks for that name,
            # and must not load the model again.
            if renamed := hosted.store.adopted:
                self._keep((key[0], renamed, key[2]), slot)
            self._count()
        return hosted

    @contextmanager
    def _dropped_if_it_hangs(self, hosted: HostedModel) -> Iterator[None]:
        """Have the next call load the model again, if a thread is left behind in it."""
        try:
            yield
        except ModelTimedOut:
            with self._lock:
                for key, slot in list(self._slots.items()):
                    if slot.hosted is hosted:
                        del self._slots[key]
                self._count()
            raise

    def _slot(self, key: _Key) -> _Slot:
        with self._lock:
            slot = self._keep(key, self._slots.get(key) or _Slot())
            slot.used_at = time.monotonic()
            self._drop_idle()
            return slot

    def _keep(self, key: _Key, slot: _Slot) -> _Slot:
        """Keep a slot under a key as the last used. The caller holds the lock.

        Of several slots for a key, the first stays. A model that is loading is not
        dropped: others wait for it.
        """
        kept = self._slots.setdefault(key, slot)
        self._slots.move_to_end(key)
        loaded = [each for each, slot in self._slots.items() if slot.hosted]
        for oldest in loaded[: -settings.MODELS_IN_MEMORY_MAX]:
            del self._slots[oldest]  # a request in progress keeps it alive
        return kept

    def _forget(self, key: _Key, slot: _Slot) -> None:
        with self._lock:
            if self._slots.get(key) is slot:
                del self._slots[key]

    def _drop_idle(self) -> None:
        """Drop models that nobody uses, under the caller's lock."""
        latest = {key[0]: slot for key, slot in self._slots.items() if slot.hosted}
        now = time.monotonic()
        for key, slot in list(self._slots.items()):
            is_latest = slot is latest.get(key[0])
            idle_s = (settings.MODELS_IDLE_MAX_S or math.inf) if is_latest else _IDLE_S
            if slot.hosted and slot.used_at < now - idle_s:
                del self._slots[key]
                self._count()

    def _count(self) -> None:
        """Report the models in memory. The caller holds the lock."""
        hosted = {slot.hosted for slot in self._slots.values() if slot.hosted}
        figures.loaded.set(len(hosted))
        figures.memory.set(sum(each.bytes_taken for each in hosted))


host = ModelHost()
