"""Vectors of a project's tasks: the model's embeddings, or TF-IDF of their wording.

Imports NumPy, so import this module inside the function that uses it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

import numpy as np
import structlog
from django.conf import settings

from lsml.dataset.models import Task
from lsml.inference.errors import ModelBusy, ModelError
from lsml.inference.placement import models
from lsml.inference.steps import next_step
from lsml.labelstudio.secrets import error_text
from lsml.model_process.errors import ModelProcessUnavailable, NoAnswerInTime
from lsml.observability.origin import Origin
from lsml.quality.budget import Budget
from lsml.quality.next import reads, strategies
from lsml.quality.next.strategies import Array
from lsml.quality.texts import text_keys
from lsml.registry.errors import StorageUnavailable
from lsml.registry.model_class import describe_model
from lsml.registry.models import Project
from lsml.registry.served import Served

log = structlog.get_logger(__name__)

_STEP: Final = 100  # tasks per call of embed(), at most
_MODEL_ERRORS: Final = (
    ModelError,
    ModelProcessUnavailable,
    NoAnswerInTime,
    StorageUnavailable,
)


@dataclass(frozen=True, slots=True)
class Vectors:
    """The vectors of tasks, in one space."""

    source: str  # what they express, such as "wording"
    tasks: list[int]  # the unlabelled ones that have a vector
    unlabelled: Array  # a row per task
    labelled: Array
    note: str  # a sentence


class NotEmbedded(Exception):
    """The model's embeddings cannot be used. The message says why."""


def vectors_of(
    project: Project,
    unlabelled: list[int],
    labelled: list[int],
    *,
    limit: int,
    origin: Origin,
    budget: Budget,
) -> Vectors:
    """Return embeddings if the model offers them and they succeed, else TF-IDF.

    Args:
        project: with its active version.
        unlabelled: Tasks, the newest first.
        labelled: Tasks, the newest first.
        limit: Embeddings of fewer unlabelled tasks, if there are more, are not enough.
        origin: Recorded on the rows that the model's `setup()` writes.
        budget: When it is used up, what is embedded by then is used.
    """
    try:
        return _embedded(
            project, unlabelled, labelled, limit=limit, origin=origin, budget=budget
        )
    except NotEmbedded as reason:
        note = f"Texts are compared by their wording: {reason}"
        return _worded(project, unlabelled, labelled, note)


# --- Embeddings ---


def _embedded(
    project: Project,
    unlabelled: list[int],
    labelled: list[int],
    *,
    limit: int,
    origin: Origin,
    budget: Budget,
) -> Vectors:
    version = project.served_version
    if not _model_embeds():
        raise NotEmbedded("the model has no embed(), see docs/sdk.md.")
    # Alternately, so that an early end leaves some of both.
    pairs = zip_longest(unlabelled, labelled)
    tasks = [task for pair in pairs for task in pair if task is not None]
    found: dict[int, Array] = {}
    try:
        for embedded in _in_steps(project, tasks, origin, budget):
            found |= embedded
        _demand_one_length(found)
    except _MODEL_ERRORS as error:
        log.warning(
            "tasks cannot be embedded",
            project=str(project.key),
            version=version,
            error=str(error),
        )
        raise NotEmbedded(f"embed() of {version} cannot be used. {error}") from error
    compared = [task for task in unlabelled if task in found]
    others = [task for task in labelled if task in found]
    note = f"Tasks are compared by embed() of {version}."
    if budget.is_used_up and len(found) < len(tasks):
        late = (
            f"embed() of {version} came to {len(compared):,} of {len(unlabelled):,}"
            f" unlabelled and {len(others):,} of {len(labelled):,} labelled tasks in"
            f" time. manage.py next --project {project.labelstudio_id} --strategy"
            " diverse waits for all."
        )
        if len(compared) < min(limit, len(unlabelled)):
            raise NotEmbedded(late)
        note = f"{note} But {late}"
    return Vectors(
        f"embed() of {version}",
        compared,
        _matrix([found[task] for task in compared]),
        _matrix([found[task] for task in others]),
        note,
    )


def _model_embeds() -> bool:
    try:
        return describe_model().embeds
    except Exception as error:
        text = error_text(error)
        log.warning("the model cannot be described", error=text)
        raise NotEmbedded(f"the model cannot be used. {text}") from error


def _in_steps(
    project: Project, tasks: list[int], origin: Origin, budget: Budget
) -> Iterator[dict[int, Array]]:
    """Embed tasks in small steps: an annotator's click waits while one runs."""
    serving = Served(project.pk, project.served_version, project.label_config)
    at, step = 0, 1
    while at < len(tasks) and not budget.is_used_up:
        sent = reads.as_sent(project, tasks[at : at + step])
        started = time.monotonic()
        try:
            wait_s = min(budget.seconds_left, settings.PREDICT_WAIT_S)
            rows = models().embed(serving, sent, origin, wait_s=wait_s)
        except ModelBusy as busy:
            time.sleep(min(busy.retry_after_s, budget.seconds_left))
            continue
        yield {
            task["id"]: np.array(row, np.float32)
            for task, row in zip(sent, rows, strict=True)
        }
        at += step
        step = next_step(step, took_s=time.monotonic() - started, most=_STEP)


def _demand_one_length(found: dict[int, Array]) -> None:
    lengths = sorted({len(vector) for vector in found.values()})
    if len(lengths) > 1:
        raise ModelError(
            f"embed() returned vectors of different lengths, {lengths[0]} and"
            f" {lengths[-1]}; expected as many numbers for every task."
        )


def _matrix(rows: list[Array]) -> Array:
    return np.array(rows) if rows else np.zeros((0, 0), np.float32)


# --- Wording ---


def _worded(
    project: Project, unlabelled: list[int], labelled: list[int], note: str
) -> Vectors:
    keys = text_keys(project.label_config)
    tasks = Task.objects.filter(project=project)
    texts = reads.texts(tasks.filter(task_id__in=unlabelled), keys)
    labelled_texts = reads.texts(tasks.filter(task_id__in=labelled), keys)
    if not texts:
        missing = (
            "No unlabelled task has a text."
            if keys
            else "The label config shows no text, and only texts can be compared so."
        )
        note = f"{note} {missing}"
    rows = strategies.text_vectors([*texts.values(), *labelled_texts.values()])
    return Vectors("wording", list(texts), rows[: len(texts)], rows[len(texts) :], note)
