"""Keeps models in memory: one instance per process and version, loaded once."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections

from label_studio_ml.hosting import load_version, reads_artifacts
from label_studio_ml.model import LabelStudioMLBase
from lsml.inference.errors import (
    ModelBusy,
    ModelError,
    ModelNotLoadable,
    StillLoading,
)
from lsml.labelstudio.secrets import masked_text
from lsml.observability.origin import Origin
from lsml.registry.artifacts import Artifact, fetch_artifact
from lsml.registry.errors import ArtifactDamaged, ArtifactUnavailable
from lsml.registry.model_class import ModelClassError, model_class
from lsml.registry.models import ModelVersion, Project
from lsml.registry.served import Served
from lsml.registry.state import ProjectStore

log = structlog.get_logger(__name__)

_Key = tuple[int, str, str]  # project, version, label config


class HostedModel:
    """A model in memory, and the places to run its `predict()` at the same time."""

    def __init__(self, model: LabelStudioMLBase, store: ProjectStore) -> None:
        self.model = model
        self.store = store
        self.concurrency = max(1, model.concurrency)
        self.places = threading.BoundedSemaphore(self.concurrency)


class _Slot:
    """Holds one model. One thread loads it while the others wait."""

    def __init__(self) -> None:
        self.loading = threading.Lock()
        self.hosted: HostedModel | None = None


class ModelHost:
    """The models of this process; the least recently used one is dropped first."""

    def __init__(self) -> None:
        self._slots: OrderedDict[_Key, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def place(self, serving: Served, origin: Origin) -> Iterator[HostedModel]:
        """Hold one place to run the served version's `predict()`.

        Raises:
            ModelBusy: no place became free within PREDICT_WAIT_S.
            ModelNotLoadable: this version cannot be fetched or loaded.
            ModelError: the model's code cannot be imported.
        """
        started = time.monotonic()
        hosted = self._hosted(serving, origin)
        wait_s = settings.PREDICT_WAIT_S - (time.monotonic() - started)
        if not hosted.places.acquire(timeout=max(0.0, wait_s)):
            raise ModelBusy(
                waited_s=settings.PREDICT_WAIT_S, concurrency=hosted.concurrency
            )
        try:
            yield hosted
        finally:
            hosted.places.release()

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
            ModelNotLoadable: this version cannot be fetched or loaded.
            ModelError: the model's code cannot be imported.
            StillLoading: not loaded within `within_s`.
            ModelBusy: another thread has been loading it for PREDICT_WAIT_S.
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

    def _hosted(self, serving: Served, origin: Origin) -> HostedModel:
        key = (serving.project_pk, serving.version, serving.label_config)
        slot = self._slot(key)
        if slot.hosted is not None:
            return slot.hosted
        if not slot.loading.acquire(timeout=settings.PREDICT_WAIT_S):
            raise ModelBusy(waited_s=settings.PREDICT_WAIT_S, concurrency=1)
        try:
            if slot.hosted is None:
                slot.hosted = _load(serving, origin)
                # `setup()` may have named the version. The next request asks for that
                # name, and must not load the model again.
                if renamed := slot.hosted.store.adopted:
                    self._keep((key[0], renamed, key[2]), slot)
            return slot.hosted
        finally:
            slot.loading.release()

    def _slot(self, key: _Key) -> _Slot:
        with self._lock:
            slot = self._slots.get(key)
            if slot is not None:
                self._slots.move_to_end(key)
                return slot
        return self._keep(key, _Slot())

    def _keep(self, key: _Key, slot: _Slot) -> _Slot:
        with self._lock:
            kept = self._slots.setdefault(key, slot)
            while len(self._slots) > settings.MODELS_IN_MEMORY_MAX:
                self._slots.popitem(last=False)  # a request in progress keeps it alive
            return kept


def _load(serving: Served, origin: Origin) -> HostedModel:
    """Load the model of a version."""
    started = time.monotonic()
    project = Project.objects.get(pk=serving.project_pk)
    # By name and not by `active_version`: another version may have been promoted since
    # this request chose its version.
    version = project.versions.filter(version=serving.version).first()
    trained = version is not None and version.trained
    store = ProjectStore(project.pk, origin)
    with _in_words(serving.version, ModelError):
        kind = model_class()
    with (
        _in_words(serving.version, ModelNotLoadable),
        store.during_setup(names_version=not trained),
    ):
        model = load_version(
            kind,
            store=store,
            project_id=str(project.labelstudio_id),
            label_config=serving.label_config or None,
            artifacts=_artifacts(version) if reads_artifacts(kind) else None,
            empty_dir=settings.DATA_DIR / "model-dir" / f"project-{project.pk}",
            trained=trained,
        )
    log.info(
        "model loaded",
        project=str(project.key),
        version=serving.version,
        seconds=round(time.monotonic() - started, 3),
    )
    return HostedModel(model, store)


@contextmanager
def _in_words(version: str, kind: type[ModelError]) -> Iterator[None]:
    """Turn what loading raises into one sentence; database errors pass unchanged."""
    try:
        yield
    except (ModelClassError, ArtifactDamaged, ArtifactUnavailable) as error:
        raise kind(str(error)) from error
    except DatabaseError:
        raise  # not the model's fault: a 503, and the next request tries again
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise kind(
            f"The model of version {version} cannot be loaded:"
            f" {type(error).__name__}: {masked_text(str(error))[:500]}"
        ) from error


def _artifacts(version: ModelVersion | None) -> Path | None:
    if version is None or not version.artifact_key:
        return None
    return fetch_artifact(
        Artifact(
            key=version.artifact_key,
            sha256=version.artifact_sha256,
            size=version.artifact_bytes,
        )
    )


host = ModelHost()
