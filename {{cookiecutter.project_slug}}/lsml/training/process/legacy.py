"""Trains models written for the reference SDK: `fit` per event, and MODEL_DIR."""

import os
import shutil
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.db import DatabaseError, InterfaceError

from label_studio_ml.hosting import ModelClass, learns_by_fit, run_anew
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.training import Run, RunCancelled, numbers
from lsml.registry.artifacts import Artifact, fetch_artifact
from lsml.registry.models import ModelVersion
from lsml.training.errors import FitFailed, in_words
from lsml.training.process.inputs import TrainingInputs, fit_arguments
from lsml.training.process.storage import wait_for_storage
from lsml.training.process.store import RunStore

# These concern the run or the machine, not the event that `fit` was called with.
_NOT_THE_EVENT = (RunCancelled, MemoryError, DatabaseError, InterfaceError)


@dataclass(frozen=True, slots=True)
class Learned:
    """The result of calling the user's code."""

    makes_version: bool = True
    note: str = ""  # a sentence for the run's message
    event_errors: dict[str, str] = field(default_factory=dict)  # event id -> error


@contextmanager
def with_model_dir(
    kind: ModelClass,
    *,
    served: ModelVersion | None,
    artifacts: Path,
    cancelled: threading.Event,
) -> Iterator[ModelClass]:
    """Make the new version's artifact the MODEL_DIR of a class with `fit` only.

    Such a model continues from the files it finds there, so the folder starts as a copy
    of the served version's. If the operator sets MODEL_DIR, nothing is changed.

    Args:
        kind: The user's class.
        served: The version to continue from.
        artifacts: Folder of the new version's artifact.
        cancelled: Set when the run is cancelled.
    """
    if not learns_by_fit(kind) or os.environ.get("MODEL_DIR"):
        yield kind
        return
    if served is not None and served.artifact_key:
        before = Artifact(
            served.artifact_key, served.artifact_sha256, served.artifact_bytes
        )
        fetched = wait_for_storage(lambda: fetch_artifact(before), cancelled=cancelled)
        shutil.copytree(fetched.folder, artifacts, dirs_exist_ok=True)
    with run_anew(kind, model_dir=artifacts) as anew:
        yield anew


def fit_events(
    model: LabelStudioMLBase, run: Run, inputs: TrainingInputs, store: RunStore
) -> Learned:
    """Call `fit` for each event; an event that it fails on does not stop the others.

    A version is made if `fit` set state or a version name, or changed a file. Metrics
    alone make no version.

    Raises:
        FitFailed: `fit` raised, and no call returned.
    """
    before = _files_of(run)
    returned, errors = 0, dict[str, str]()
    known = len(inputs.event_ids)
    for number, (event_id, calls) in enumerate(fit_arguments(type(model), inputs)):
        run.progress(number / known, f"event {number + 1} of {known}")
        for event, data in calls:
            try:
                run.metrics.update(numbers(model.fit(event, data)))
                returned += 1
            except _NOT_THE_EVENT:
                raise
            except Exception as error:  # noqa: BLE001 - the user's code
                traceback.print_exc()
                errors.setdefault(str(event_id), in_words(error))
    if errors and not returned:
        raise FitFailed(errors)
    kept = returned > 0 and (store.set_in_training or _files_of(run) != before)
    return Learned(
        makes_version=kept,
        note=_note(failed=len(errors), known=known, returned=returned, kept=kept),
        event_errors=errors,
    )


def _note(*, failed: int, known: int, returned: int, kept: bool) -> str:
    notes = []
    if failed:
        notes.append(f"{failed} of {known} events failed in fit().")
    if not returned:
        notes.append("No new version: there was no event for fit().")
    elif not kept:
        notes.append("No new version: fit() set no state and wrote no file.")
    return " ".join(notes)


def _files_of(run: Run) -> dict[Path, tuple[int, int]]:
    """Return size (bytes) and change time (ns) of each file in MODEL_DIR."""
    folder = Path(os.environ.get("MODEL_DIR") or run.artifacts)
    found = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # others may change the operator's folder
            if path.is_file():
                status = path.stat()
                found[path] = (status.st_size, status.st_mtime_ns)
    return found
