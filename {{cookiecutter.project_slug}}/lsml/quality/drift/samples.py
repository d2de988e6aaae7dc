"""Reads the samples that are compared, in bounded amounts.

A result may have megabytes and a text as well, so what is compared is taken from each
row while it is read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from random import Random
from typing import Any, Final

from django.db.models import QuerySet
from django.db.models.functions import Length

from lsml.audit.models import Prediction
from lsml.dataset.holdout import task_ids_of
from lsml.dataset.measures.regions import NAME_CHARS_MAX, by_control
from lsml.dataset.models import Annotation, Snapshot, Task
from lsml.dataset.snapshots import labels_in
from lsml.labelstudio.reading import as_number
from lsml.quality.budget import Budget
from lsml.quality.drift.observed import Answer, Text
from lsml.quality.texts import beginning, is_address, text_at
from lsml.registry.models import ModelVersion, Project

LIVE_MAX: Final = 500  # tasks
REFERENCE_MAX: Final = 1_000  # tasks
_PREDICTIONS_MAX: Final = 10_000  # looked at, to find those
_ROWS_AT_ONCE: Final = 20  # with results
_SEED: Final = 54

# Chinese and Japanese have no spaces: each character is a word.
_WORD: Final = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff]|[^\\W\u3040-\u30ff\u3400-\u9fff]+"
)

Keys = dict[int, int]  # task -> primary key of a prediction or an annotation


def live_predictions(
    project: Project, version: str, known: Snapshot, since: datetime
) -> Keys:
    """Return the latest predictions of tasks that are not in the snapshot.

    A version is surer of the tasks that it was trained on, and they cannot drift.
    """
    rows = Prediction.objects.with_facts(project_pk=project.pk, model_version=version)
    found = _of_tasks(rows.since(since).order_by("-pk"))
    return _outside(project, known, found, LIVE_MAX)


def first_predictions(project: Project, version: ModelVersion, known: Snapshot) -> Keys:
    """Return a version's first predictions of tasks that are not in its snapshot."""
    rows = Prediction.objects.with_facts(
        project_pk=project.pk, model_version=version.version
    )
    found = _of_tasks(rows.since(version.created_at).order_by("pk"))
    return _outside(project, known, found, LIVE_MAX)


def held_out_predictions(project: Project, version: str, known: Snapshot) -> Keys:
    """Return a version's predictions of the tasks that its snapshot holds out."""
    tasks = task_ids_of(known, _sample(known.held_out_ids))
    rows = Prediction.objects.filter(
        project_pk=project.pk,
        model_version=version,
        task_id__in=tasks,
        outcome__in=ANSWERED,
    ).exclude(kind=Prediction.Kind.INTERACTIVE)
    return _by_task(rows.order_by("pk").values_list("task_id", "pk"))


def snapshot_annotations(known: Snapshot) -> Keys:
    """Return annotations of a sample of the snapshot's tasks; one of each task."""
    ids = _sample([*known.annotation_ids, *known.held_out_ids])
    rows = Annotation.objects.filter(project=known.project_id, annotation_id__in=ids)
    return _by_task(rows.values_list("task_id", "pk"))


def annotations_of(project: Project, tasks: Iterable[int]) -> Keys:
    """Return the latest annotation of each task that has one."""
    rows = Annotation.objects.trainable().filter(project=project, task_id__in=tasks)
    return _by_task(rows.order_by("annotation_id").values_list("task_id", "pk"))


def answers(
    model: type[Prediction | Annotation], keys: Iterable[int], budget: Budget
) -> list[Answer]:
    """Read predictions or annotations with these keys, until the time is used up."""
    columns = ("result", "score") if model is Prediction else ("result",)
    rows = model._default_manager.only(*columns)
    wanted = list(keys)
    found: list[Answer] = []
    for start in range(0, len(wanted), _ROWS_AT_ONCE):
        if budget.is_used_up:
            break
        some = rows.filter(pk__in=wanted[start : start + _ROWS_AT_ONCE])
        found += map(_answer, some.iterator())
    return found


def task_texts(project: Project, tasks: Iterable[int], path: str) -> dict[int, Text]:
    """Return the texts of the tasks in the dataset, at a path of their data."""
    rows = Task.objects.filter(project=project, task_id__in=list(tasks))
    return dict(_texts(rows, "data", path))


def recorded_texts(keys: Keys, path: str) -> dict[int, Text]:
    """Return the texts that were recorded with predictions: AUDIT_INPUTS=full."""
    rows = Prediction.objects.filter(pk__in=list(keys.values()), input__isnull=False)
    return dict(_texts(rows, "input", path))


def _texts(rows: QuerySet[Any], column: str, path: str) -> Iterator[tuple[int, Text]]:
    text = text_at(column, path)
    columns = rows.order_by("task_id").values_list(
        "task_id", Length(text), beginning(text)
    )
    for task_id, length, start in columns.iterator(chunk_size=100):
        words = frozenset(_WORD.findall(start.lower())) if start else frozenset()
        if words and not is_address(start):
            yield task_id, Text(length, words)


def _of_tasks(rows: QuerySet[Prediction]) -> Keys:
    """Return the first prediction of each task among rows that annotators can see."""
    whole_tasks = rows.filter(
        task_id__isnull=False,
        kind__in=Prediction.TASK_KINDS,
        outcome__in=ANSWERED,
    )
    found: Keys = {}
    for task_id, pk in whole_tasks.values_list("task_id", "pk")[:_PREDICTIONS_MAX]:
        if task_id is not None:
            found.setdefault(task_id, pk)
    return found


ANSWERED: Final = (Prediction.Outcome.OK, Prediction.Outcome.EMPTY)


def _outside(project: Project, known: Snapshot, found: Keys, most: int) -> Keys:
    """Keep the first tasks without an annotation in the snapshot."""
    inside = {*known.annotation_ids, *known.held_out_ids}
    rows = Annotation.objects.filter(project=project, task_id__in=list(found))
    trained = {
        task_id
        for task_id, annotation_id in rows.values_list("task_id", "annotation_id")
        if annotation_id in inside
    }
    kept = [(task, key) for task, key in found.items() if task not in trained]
    return dict(kept[:most])


def _sample(ids: list[int]) -> list[int]:
    """Return some of the IDs, always the same ones."""
    if len(ids) <= REFERENCE_MAX:
        return ids
    return Random(_SEED).sample(ids, REFERENCE_MAX)  # noqa: S311 - no secret


def _by_task(rows: Iterable[tuple[int | None, int]]) -> Keys:
    """Return the last key of each task."""
    return {task_id: key for task_id, key in rows if task_id is not None}


def _answer(row: Prediction | Annotation) -> Answer:
    regions = by_control(row.result if isinstance(row.result, list) else [])
    score = row.score if isinstance(row, Prediction) else None
    return Answer(
        {
            control: frozenset(label[:NAME_CHARS_MAX] for label in labels_in(some))
            for control, some in regions.items()
        },
        score,
        _pixels(region for some in regions.values() for region in some),
    )


def _pixels(regions: Iterable[Mapping[str, Any]]) -> float | None:
    """Return the size of the image, from the first region that says it."""
    for region in regions:
        width = as_number(region.get("original_width"))
        height = as_number(region.get("original_height"))
        if width and height and 0 < width < 1e6 and 0 < height < 1e6:
            return width * height
    return None
