"""Loads the model of a version into memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.conf import settings
from django.db import Error as DatabaseError

from label_studio_ml.hosting import (
    load_version,
    offers_load_shared,
    reads_artifacts,
)
from label_studio_ml.shared import shared_by
from lsml.inference.errors import USER_ERRORS, ModelError, ModelNotLoadable
from lsml.inference.hosting.hosted import HostedModel
from lsml.inference.hosting.memory import memory_of_process
from lsml.inference.hosting.queue import queue_of
from lsml.labelstudio.secrets import error_text
from lsml.observability.origin import Origin
from lsml.registry.artifact_cache import CachedArtifact
from lsml.registry.artifacts import Artifact, fetch_artifact
from lsml.registry.errors import CacheRefused, RegistryError, StorageUnavailable
from lsml.registry.model_class import ModelClassError, model_class
from lsml.registry.models import ModelVersion, Project
from lsml.registry.served import Served
from lsml.registry.state import ProjectStore

log = structlog.get_logger(__name__)


def load(serving: Served, origin: Origin) -> HostedModel:
    """Load the model of a version.

    Args:
        serving: The version, whether it is served or not.
        origin: Recorded on the rows that the model's `setup()` writes.

    Raises:
        ModelNotLoadable: This version cannot be fetched or loaded.
        ModelError: The model's code cannot be imported.
        StorageUnavailable: The artifact storage does not answer.
    """
    started = time.monotonic()
    project = Project.objects.filter(pk=serving.project_pk).first()
    if project is None:
        raise ModelNotLoadable("The project was deleted.")
    # By name and not by `active_version`: another version may have been promoted since
    # this request chose its version.
    version = project.versions.filter(version=serving.version).first()
    trained = version is not None and version.trained
    store = ProjectStore(project.pk, origin, version=serving.version)
    with _in_words(serving.version, ModelError):
        kind = model_class()
    with (
        _in_words(serving.version, ModelNotLoadable),
        store.during_setup(names_version=not trained),
    ):
        if offers_load_shared(kind):
            shared_by(kind)  # now, so that it does not count as this version's memory
        artifact = _artifact(version) if reads_artifacts(kind) else None
        memory_before = memory_of_process()
        model = load_version(
            kind,
            store=store,
            project_id=str(project.labelstudio_id),
            label_config=serving.label_config or None,
            artifacts=artifact.folder if artifact else None,
            empty_dir=settings.DATA_DIR / "model-dir" / f"project-{project.pk}",
            trained=trained,
        )
    bytes_taken = max(0, memory_of_process() - memory_before)
    log.info(
        "model loaded",
        project=str(project.key),
        version=serving.version,
        seconds=round(time.monotonic() - started, 3),
        megabytes=bytes_taken >> 20,
    )
    return HostedModel(
        model, store, queue_of(kind), bytes_taken=bytes_taken, artifact=artifact
    )


@contextmanager
def _in_words(version: str, kind: type[ModelError]) -> Iterator[None]:
    """Turn what loading raises into one sentence.

    Errors of the database and of the artifact storage pass unchanged.
    """
    try:
        yield
    except CacheRefused as error:  # says nothing about the version
        raise ModelError(str(error)) from error
    except (ModelClassError, RegistryError) as error:
        raise kind(str(error)) from error
    except (DatabaseError, StorageUnavailable):
        raise  # not the model's fault: a 503, and the next request tries again
    except USER_ERRORS as error:
        if _is_out_of_memory(error):
            kind = ModelError  # says nothing about the version: no other one is served
        raise kind(
            f"The model of version {version} cannot be loaded: {error_text(error)}"
        ) from error


def _is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory is short, here or on a GPU (PyTorch: OutOfMemoryError)."""
    text = f"{type(error).__name__} {error}".lower()
    return isinstance(error, MemoryError) or "out of memory" in text


def _artifact(version: ModelVersion | None) -> CachedArtifact | None:
    if version is None or not version.artifact_key:
        return None
    return fetch_artifact(
        Artifact(
            key=version.artifact_key,
            sha256=version.artifact_sha256,
            size=version.artifact_bytes,
        )
    )
