"""Parses Label Studio's webhooks into one form, whether their keys are plural or not.

Anything that could be a webhook is accepted: an event of an unknown kind is recorded
too. Source: Label Studio 1.23.2 `webhooks/`, `tests/protocol/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.reading import (
    JsonObject,
    as_dict,
    as_id,
    as_list,
    as_object,
    as_text,
)

# `connect` sets it on webhooks. It names the project where the payload does not, and a
# later `connect` recognises its own webhooks by it.
PROJECT_HEADER = "X-Label-Studio-Project"

START_TRAINING = "START_TRAINING"
PROJECT_UPDATED = "PROJECT_UPDATED"
ANNOTATIONS_WRITTEN = frozenset(
    {"ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED"}
)
# The reference SDK expects the singular; Label Studio sends the plural.
ANNOTATIONS_DELETED = frozenset({"ANNOTATIONS_DELETED", "ANNOTATION_DELETED"})
TASKS_CREATED = "TASKS_CREATED"
TASKS_DELETED = "TASKS_DELETED"
DATASET_ACTIONS = (
    ANNOTATIONS_WRITTEN | ANNOTATIONS_DELETED | {TASKS_CREATED, TASKS_DELETED}
)

KNOWN_ACTIONS = DATASET_ACTIONS | {
    START_TRAINING,
    PROJECT_UPDATED,
    "LABEL_LINK_CREATED",
    "LABEL_LINK_UPDATED",
    "LABEL_LINK_DELETED",
}
ACTION_CHARS_MAX = 100  # width of the audit column


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One event; `tasks` and `annotations` are always lists."""

    action: str
    project: ProjectKey | None = None  # None: organisation-wide, or payload missing
    project_object: JsonObject | None = None
    tasks: list[JsonObject] = field(default_factory=list)
    annotations: list[JsonObject] = field(default_factory=list)

    @classmethod
    def parse(cls, body: object, *, named_project: str = "") -> WebhookRequest:
        """Read a `/webhook` body.

        Args:
            body: decoded JSON.
            named_project: from `PROJECT_HEADER`; used if the body names no project.

        Raises:
            WireError: not a JSON object, or without `action`.
        """
        sent = as_object(body, field="body")
        action = as_text(sent.get("action"), field="action", longest=ACTION_CHARS_MAX)
        if not action:
            raise WireError("action", "`action` must not be empty.")
        tasks = _objects(sent, "task", "tasks")
        annotations = _objects(sent, "annotation", "annotations")
        project = sent.get("project")
        return cls(
            action=action,
            project=_project_key(project or named_project, annotations, tasks),
            project_object=(
                cast("JsonObject", project) if isinstance(project, dict) else None
            ),
            tasks=tasks,
            annotations=annotations,
        )

    @property
    def task_ids(self) -> list[int]:
        """Every task the event names, itself or through an annotation; ascending."""
        named = {as_id(task.get("id")) for task in self.tasks}
        named |= {as_id(annotation.get("task")) for annotation in self.annotations}
        return sorted(number for number in named if number is not None)

    @property
    def task_id(self) -> int | None:
        """The task, if the event is about exactly one."""
        task_ids = self.task_ids
        return task_ids[0] if len(task_ids) == 1 else None

    @property
    def annotation_ids(self) -> list[int]:
        """Every annotation the event names, in the order sent."""
        ids = (as_id(annotation.get("id")) for annotation in self.annotations)
        return [number for number in ids if number is not None]

    @property
    def affects_dataset(self) -> bool:
        """Whether the event changes tasks or annotations."""
        return self.action in DATASET_ACTIONS

    @property
    def starts_training(self) -> bool:
        """Whether a person, or Label Studio's own threshold, requested training."""
        return self.action == START_TRAINING

    @property
    def lacks_payload(self) -> bool:
        """Whether the payload is missing, so that the changes must be fetched.

        A webhook with `send_payload` off sends `{"action": …}` alone, without the
        project.
        """
        return self.affects_dataset and not self.tasks and not self.annotations

    @property
    def label_config(self) -> str | None:
        """The project's label config, which every full project object has."""
        config = (self.project_object or {}).get("label_config")
        return config if isinstance(config, str) and config else None


def without_tasks(
    payload: JsonObject, is_left_out: Callable[[int], bool]
) -> JsonObject | None:
    """Return a webhook's payload without some tasks and their annotations.

    None if it is about no other task. An event that names no task is returned as it is.
    """
    task_ids = WebhookRequest.parse(payload).task_ids
    left_out = {task_id for task_id in task_ids if is_left_out(task_id)}
    if not left_out:
        return payload
    if len(left_out) == len(task_ids):
        return None
    keys = {"task": "id", "tasks": "id", "annotation": "task", "annotations": "task"}
    return payload | {
        name: [
            item
            for item in as_list(payload[name])
            if as_id(as_dict(item).get(key)) not in left_out
        ]
        for name, key in keys.items()
        if isinstance(payload.get(name), list)
    }


def _objects(sent: JsonObject, singular: str, plural: str) -> list[JsonObject]:
    # ANNOTATIONS_CREATED sends lists under `annotation` and `task`.
    found = sent.get(plural, sent.get(singular))
    items = [found] if isinstance(found, dict) else as_list(found)
    return [as_dict(item) for item in items if isinstance(item, dict)]


def _project_key(
    project: object, annotations: list[JsonObject], tasks: list[JsonObject]
) -> ProjectKey | None:
    try:
        if isinstance(project, dict):
            return ProjectKey.from_project_object(cast("JsonObject", project))
        if project:
            return ProjectKey.parse(project)
    except WireError:
        return None  # recorded as an event of an unknown project
    for item in (*annotations[:1], *tasks[:1]):
        if as_id(item.get("project")):
            return ProjectKey.parse(item["project"])
    return None
