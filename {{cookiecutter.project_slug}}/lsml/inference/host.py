"""Models in memory: one instance per process and version, loaded once."""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from label_studio_ml.hosting import (
    ModelClass,
    learns_by_fit,
    make_model,
    offers_load,
    run_anew,
)
from label_studio_ml.model import LabelStudioMLBase
from lsml.inference.errors import ModelBusy, ModelError
from lsml.labelstudio.secrets import masked_text
from lsml.observability.origin import Origin
from lsml.registry.artifacts import Artifact, fetch_artifact
from lsml.registry.errors import ArtifactDamaged
from lsml.registry.model_class import ModelClassError, model_class
from lsml.registry.models import ModelVersion, Project
from lsml.registry.served import Served
from lsml.registry.state import ProjectStore

log = structlog.get_logger(__name__)

_Key = tuple[int, str, str]  # project, version, label config


class HostedModel:
    """A model in memory with the places there are to call its `predict()`."""

    def __init__(self, model: LabelStudioMLBase, store: ProjectStore) -> None:
        self.model = model
        self.store = store
        self.concurrency = max(1, model.concurrency)
        self.places = threading.BoundedSemaphore(self.concurrency)


class _Slot:
    """Room for one model, so that one thread loads it and the others wait."""

    def __init__(self) -> None:
        self.loading = threading.Lock()
        self.hosted: HostedModel | None = None


class ModelHost:
    """The models this process holds; the one used longest ago makes room first."""

    def __init__(self) -> None:
        self._slots: OrderedDict[_Key, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def place(self, serving: Served, origin: Origin) -> Iterator[HostedModel]:
        """Hold one place to run the served version's `predict()`.

        Raises:
            ModelBusy: no place became free within PREDICT_WAIT_S.
            ModelError: the model cannot be loaded.
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

    def clear(self) -> None:
        """Let go of all models; the next request loads afresh."""
        with self._lock:
            self._slots.clear()

    def _hosted(self, serving: Served, origin: Origin) -> HostedModel:
        key = (serving.project_id, serving.version, serving.label_config)
        slot = self._slot(key)
        if slot.hosted is not None:
            return slot.hosted
        if not slot.loading.acquire(timeout=settings.PREDICT_WAIT_S):
            raise ModelBusy(waited_s=settings.PREDICT_WAIT_S, concurrency=1)
        try:
            if slot.hosted is None:
                slot.hosted = _load(serving, origin)
                # `setup()` may have named the version: the next request asks for it
                # by that name, and must not load it again.
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
                self._slots.popitem(last=False)  # whoever uses it now keeps it alive
            return kept


def _load(serving: Served, origin: Origin) -> HostedModel:
    """Make the model of the served version; the only place where user code loads."""
    started = time.monotonic()
    project = Project.objects.get(pk=serving.project_id)
    # By name and not by `active_version`: another version may be promoted meanwhile,
    # and this request has already promised this one.
    version = project.versions.filter(version=serving.version).first()
    store = ProjectStore(project.pk, origin)
    try:
        with _class_for(version, project.pk) as kind, store.during_setup():
            model = make_model(
                kind,
                store=store,
                project_id=str(project.labelstudio_id),
                label_config=serving.label_config or None,
            )
        if version is not None and version.artifact_key and offers_load(kind):
            model.load(_artifacts(version))
    except (ModelClassError, ArtifactDamaged) as error:
        raise ModelError(str(error)) from error
    except DatabaseError:
        raise  # no fault of the model: a 503, and the next request tries again
    except Exception as error:  # the user's code: anything can come out of it
        raise ModelError(
            f"The model of version {serving.version} cannot be loaded:"
            f" {type(error).__name__}: {masked_text(str(error))[:500]}"
        ) from error
    log.info(
        "model loaded",
        project=str(project.key),
        version=serving.version,
        seconds=round(time.monotonic() - started, 3),
    )
    return HostedModel(model, store)


@contextmanager
def _class_for(version: ModelVersion | None, project_id: int) -> Iterator[ModelClass]:
    """A legacy model keeps what it learned in globals: each version has its own.

    The untrained model is run anew as well, to find the MODEL_DIR of its project;
    where the operator sets one, there is nothing else for it to find.
    """
    kind = model_class()
    trained = version is not None and version.trained
    if not learns_by_fit(kind) or (os.environ.get("MODEL_DIR") and not trained):
        yield kind
        return
    if version is not None and version.artifact_key:
        model_dir = _artifacts(version)
    else:
        model_dir = _empty_model_dir(project_id)
    with run_anew(kind, model_dir=model_dir) as anew:
        yield anew


def _empty_model_dir(project_id: int) -> Path:
    """Where a legacy model of this project that has no files looks for them."""
    folder: Path = settings.DATA_DIR / "model-dir" / f"project-{project_id}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _artifacts(version: ModelVersion) -> Path:
    return fetch_artifact(
        Artifact(
            key=version.artifact_key,
            sha256=version.artifact_sha256,
            size=version.artifact_bytes,
        )
    )


host = ModelHost()
