"""Reads Label Studio's task and annotation JSON, as webhooks and the API send it.

The readers never raise: a field that cannot be used becomes None or empty. Secrets are
masked here, so states from webhooks and from the API can be compared.

Source of the shapes: Label Studio 1.23.2, `tests/protocol/webhook/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from lsml.labelstudio.reading import (
    JsonObject,
    as_dict,
    as_id,
    as_list,
    as_number,
    as_time,
)
from lsml.labelstudio.secrets import masked, masked_task_data


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task at one moment."""

    task_id: int
    data: JsonObject
    meta: JsonObject
    created_at: datetime | None  # Label Studio's clock; None = not sent
    updated_at: datetime  # Label Studio's clock, where it was sent
    deleted_at: datetime | None = None  # our clock; None = not deleted

    @classmethod
    def read(
        cls, sent: JsonObject, *, undated: datetime, deleted_at: datetime | None = None
    ) -> TaskState | None:
        """Read one task.

        Args:
            sent: the JSON object of the task.
            undated: stands for `updated_at` where the task has none.
            deleted_at: set if this is the notice of a deletion.

        Returns:
            None without a usable ID, and without `data` unless the task was deleted.
        """
        task_id = as_id(sent.get("id"))
        data = sent.get("data")
        if task_id is None or not (deleted_at or isinstance(data, dict)):
            return None
        return cls(
            task_id=task_id,
            data=cast("JsonObject", masked_task_data(as_dict(data))),
            meta=cast("JsonObject", masked(as_dict(sent.get("meta")))),
            created_at=as_time(sent.get("created_at")),
            updated_at=as_time(sent.get("updated_at")) or undated,
            deleted_at=deleted_at,
        )


@dataclass(frozen=True, slots=True)
class AnnotationState:
    """An annotation at one moment."""

    annotation_id: int
    task_id: int | None  # None = not sent, as in notices of deletions
    result: list[object]  # regions
    was_cancelled: bool  # skipped by the annotator
    ground_truth: bool
    completed_by: int | None  # Label Studio's user ID
    lead_time: float | None  # seconds
    parent_prediction: int | None  # Label Studio's prediction ID
    created_at: datetime | None  # Label Studio's clock; None = not sent
    updated_at: datetime  # Label Studio's clock, where it was sent
    deleted_at: datetime | None = None  # our clock; None = not deleted

    @classmethod
    def read(
        cls,
        sent: JsonObject,
        *,
        undated: datetime,
        task_id: int | None = None,
        deleted_at: datetime | None = None,
    ) -> AnnotationState | None:
        """Read one annotation.

        Args:
            sent: the JSON object of the annotation.
            undated: stands for `updated_at` where the annotation has none.
            task_id: the task, where the annotation does not name it.
            deleted_at: set if this is the notice of a deletion.

        Returns:
            None without a usable ID.
        """
        annotation_id = as_id(sent.get("id"))
        if annotation_id is None:
            return None
        return cls(
            annotation_id=annotation_id,
            task_id=as_id(sent.get("task")) or task_id,
            result=cast("list[object]", masked(as_list(sent.get("result")))),
            was_cancelled=bool(sent.get("was_cancelled")),
            ground_truth=bool(sent.get("ground_truth")),
            completed_by=_user_id(sent.get("completed_by")),
            lead_time=as_number(sent.get("lead_time")),
            parent_prediction=as_id(sent.get("parent_prediction")),
            created_at=as_time(sent.get("created_at")),
            updated_at=as_time(sent.get("updated_at")) or undated,
            deleted_at=deleted_at,
        )


def nested_annotations(tasks: Iterable[JsonObject]) -> list[JsonObject]:
    """Return the annotations inside these tasks, each with its `task`."""
    return [
        {"task": task.get("id"), **annotation}
        for task in tasks
        for annotation in as_list(task.get("annotations"))
        if isinstance(annotation, dict)
    ]


def _user_id(value: object) -> int | None:
    """Return the ID of a user, who is sent as a number or as an object."""
    return as_id(value.get("id") if isinstance(value, dict) else value)
