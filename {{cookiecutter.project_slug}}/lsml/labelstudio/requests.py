"""Parses Label Studio's requests and renames their fields to our words.

Secrets (`access_token`, `params.login`, `params.password`) stop here: no class has a
field for them. Source of the shapes: Label Studio 1.23.2, `tests/protocol/`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import cast

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.reading import JsonObject, as_id, as_object, as_text
from lsml.labelstudio.webhooks import WebhookRequest

__all__ = [
    "DeleteRequest",
    "DuplicateRequest",
    "JobStatusRequest",
    "PredictRequest",
    "SetupRequest",
    "TrainRequest",
    "ValidateRequest",
    "VersionsRequest",
    "WebhookRequest",
]

CONFIG_CHARS_MAX = 1_000_000
_TASK_DATA_CREDENTIALS = {"login", "password"}


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """Label Studio announces a project, many times a day."""

    project: ProjectKey | None
    label_config: str
    hostname: str | None = None
    extra_params: JsonObject | None = None

    @classmethod
    def parse(cls, body: object) -> SetupRequest:
        """Read a `/setup` body, where the label config is called `schema`."""
        sent = as_object(body, field="body")
        return cls(
            project=_project(sent),
            label_config=_config(sent.get("schema"), field="schema"),
            hostname=_hostname(sent.get("hostname")),
            extra_params=_extra_params(sent.get("extra_params")),
        )


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """Tasks to predict, in the order of the answers."""

    tasks: list[JsonObject]
    project: ProjectKey | None
    label_config: str | None
    context: JsonObject | None
    params: JsonObject = field(default_factory=dict)  # the caller's other parameters

    @property
    def interactive(self) -> bool:
        """Whether an annotator is waiting, with a partly drawn annotation."""
        return self.context is not None

    @classmethod
    def parse(cls, body: object) -> PredictRequest:
        """Read a `/predict` body; the tasks are kept as sent."""
        sent = as_object(body, field="body")
        params = _object_or_none(sent.get("params"), field="params") or {}
        return cls(
            tasks=_tasks(sent.get("tasks"), field="tasks"),
            project=_project(sent),
            label_config=_config_or_none(sent.get("label_config")),
            context=_object_or_none(params.get("context"), field="params.context"),
            params={
                name: value
                for name, value in params.items()
                if name != "context" and name not in _TASK_DATA_CREDENTIALS
            },
        )


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """An older client requests training and sends the annotated tasks."""

    project: ProjectKey | None
    label_config: str | None
    # Each with its `annotations`; empty = train on the known ones.
    tasks: list[JsonObject]

    @classmethod
    def parse(cls, body: object) -> TrainRequest:
        """Read a `/train` body, where the annotated tasks are called `annotations`."""
        sent = as_object(body, field="body")
        tasks = sent.get("annotations")
        return cls(
            project=_project(sent),
            label_config=_config_or_none(sent.get("label_config")),
            tasks=[] if tasks is None else _tasks(tasks, field="annotations"),
        )


@dataclass(frozen=True, slots=True)
class ValidateRequest:
    """Asks whether the model can serve a label config."""

    label_config: str

    @classmethod
    def parse(cls, body: object) -> ValidateRequest:
        """Read a `/validate` body, where the label config is called `config`."""
        sent = as_object(body, field="body")
        return cls(label_config=_config(sent.get("config"), field="config"))


@dataclass(frozen=True, slots=True)
class VersionsRequest:
    """Asks which versions exist. Label Studio's GET names no project."""

    project: ProjectKey | None

    @classmethod
    def parse(cls, body: object) -> VersionsRequest:
        """Read a `/versions` body, which may be missing."""
        if body is None:
            return cls(project=None)
        return cls(project=_project(as_object(body, field="body")))


@dataclass(frozen=True, slots=True)
class JobStatusRequest:
    """Asks for the state of a training job."""

    job: str

    @classmethod
    def parse(cls, body: object) -> JobStatusRequest:
        """Read a `/job_status` body; a job may be a text or a number."""
        job = as_object(body, field="body").get("job")
        if as_id(job) is not None:
            job = str(job)
        return cls(job=as_text(job, field="job", longest=200))


@dataclass(frozen=True, slots=True)
class DuplicateRequest:
    """A project was duplicated; copy its model."""

    source: ProjectKey
    target: ProjectKey

    @classmethod
    def parse(cls, body: object) -> DuplicateRequest:
        """Read a `/duplicate_model` body."""
        sent = as_object(body, field="body")
        return cls(
            source=ProjectKey.parse(sent.get("project_src"), field="project_src"),
            target=ProjectKey.parse(sent.get("project_dst"), field="project_dst"),
        )


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """A project no longer uses its model."""

    project: ProjectKey

    @classmethod
    def parse(cls, body: object) -> DeleteRequest:
        """Read a `/delete` body."""
        sent = as_object(body, field="body")
        return cls(project=ProjectKey.parse(sent.get("project")))


def _project(sent: JsonObject) -> ProjectKey | None:
    project = sent.get("project")
    return None if project is None or project == "" else ProjectKey.parse(project)


def _tasks(value: object, *, field: str) -> list[JsonObject]:
    if not isinstance(value, list):
        raise WireError(field, f"`{field}` must be a list of tasks.")
    for position, task in enumerate(value):
        if not isinstance(task, dict):
            _refuse(f"{field}[{position}]", "must be a JSON object.")
        if not isinstance(task.get("data"), dict):
            _refuse(f"{field}[{position}].data", "must be a JSON object.")
        if task.get("id") is not None and as_id(task["id"]) is None:
            _refuse(f"{field}[{position}].id", "must be a whole number or null.")
    return cast("list[JsonObject]", value)


def _refuse(field: str, rule: str) -> None:
    raise WireError(field, f"`{field}` {rule}")


def _object_or_none(value: object, *, field: str) -> JsonObject | None:
    return None if value is None else as_object(value, field=field)


def _config(value: object, *, field: str) -> str:
    return as_text(value, field=field, longest=CONFIG_CHARS_MAX)


def _config_or_none(value: object) -> str | None:
    return None if value is None else _config(value, field="label_config")


def _hostname(value: object) -> str | None:
    return as_text(value, field="hostname", longest=2_000) if value else None


def _extra_params(value: object) -> JsonObject | None:
    # The reference SDK stores them as JSON text, so some clients send a text.
    if isinstance(value, str) and value:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise WireError("extra_params", "`extra_params` is not JSON.") from None
    return as_object(value, field="extra_params") if value else None
