"""Connects this service to a Label Studio project, and repairs what is quietly wrong.

Label Studio's own "connect" leaves gaps: its webhook carries no credentials, is not
made for some addresses, stays behind when one changes. See `docs/label-studio.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from lsml.labelstudio.addresses import check_address
from lsml.labelstudio.connection_webhook import (
    connect_webhook,
    remove_stale_webhooks,
    webhook_url,
)
from lsml.labelstudio.errors import WireError
from lsml.labelstudio.failures import (
    BackendRefused,
    LabelStudioError,
    LocalAddressBlocked,
)
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.label_config import parse_label_config

if TYPE_CHECKING:
    from lsml.labelstudio.client import LabelStudio
    from lsml.labelstudio.reading import JsonObject

Say = Callable[[str], None]

DEFAULT_TITLE = "lsml"
_NOT_READY = {"DI", "ER"}  # Label Studio's states "Disconnected" and "Error"


@dataclass(frozen=True, slots=True)
class Backend:
    """This service as Label Studio is to know it."""

    url: str  # as Label Studio's machine or container reaches it
    title: str | None = None  # None = leave as it is; a new one gets DEFAULT_TITLE
    user: str = ""  # basic auth; "" = none
    password: str = field(default="", repr=False)
    webhook_token: str = field(default="", repr=False)  # where there is no basic auth
    interactive: bool | None = None  # None = leave as it is

    @property
    def webhook_url(self) -> str:
        return f"{self.url}/webhook"


@dataclass(frozen=True, slots=True)
class Connection:
    """What `connect` found or made."""

    project: JsonObject
    key: ProjectKey
    backend: JsonObject
    changed: bool  # anything in Label Studio


def connect(
    *, studio: LabelStudio, project_id: int, backend: Backend, say: Say
) -> Connection:
    """Register the backend in the project, or bring it up to date.

    Running it twice changes nothing.

    Args:
        studio: the Label Studio of the project.
        project_id: its number there.
        backend: this service.
        say: takes one line per thing done.

    Raises:
        LabelStudioError: whatever is in the way, with the next step.
    """
    check_address(backend.url)
    project = studio.project(project_id)
    key = ProjectKey.from_project_object(project)
    say(f"Project {project_id} “{project.get('title')}” at {studio.url}.")
    _check_label_config(project)
    known = studio.backends(project_id)
    ours = _ours(backend, known)
    earlier = webhook_url(ours) if ours else ""
    for other in known:
        if other is not ours and not _is_at(backend.url, other):
            say(f"Another backend stays: “{other['title']}” at {other['url']}.")
    connected, changed = _connect_backend(studio, project_id, backend, ours, say)
    changed |= _remove_doubles(studio, project_id, connected, say)
    changed |= connect_webhook(studio, project_id, key, backend, say)
    changed |= remove_stale_webhooks(studio, project_id, backend, earlier, say)
    changed |= _choose_predictions(studio, project_id, connected, say)
    return Connection(project, key, connected, changed)


def try_prediction(studio: LabelStudio, connection: Connection, say: Say) -> None:
    """Let Label Studio ask the backend for one prediction, which it throws away.

    Raises:
        BackendRefused: no answer, or one without predictions.
    """
    if not connection.project.get("task_number"):
        say("No test prediction: the project has no tasks yet.")
        return
    try:
        answer = studio.test_prediction(cast("int", connection.backend["id"]))
    except LabelStudioError as error:
        raise BackendRefused(
            f"The test prediction failed: {error}",
            "The service's log says why, under the request id of /predict.",
        ) from None
    predictions = answer.get("response")
    if not isinstance(predictions, list) or not predictions:
        raise BackendRefused(
            f"The test prediction brought nothing: {answer.get('error_message')}",
            "The service's log says why, under the request id of /predict.",
        )
    silent = predictions[0] in ([], None)
    say(
        "The test prediction came back through Label Studio"
        + (": the model has none for that task yet." if silent else ".")
    )


def _check_label_config(project: JsonObject) -> None:
    try:
        parse_label_config(str(project.get("label_config") or ""))
    except WireError as error:
        raise LabelStudioError(
            f"The project's label config cannot be served: {error}",
            "Set up the labeling interface of the project first.",
        ) from None


def _connect_backend(
    studio: LabelStudio,
    project_id: int,
    backend: Backend,
    ours: JsonObject | None,
    say: Say,
) -> tuple[JsonObject, bool]:
    if ours is None:
        added = _add_backend(studio, project_id, backend)
        say(f"Connected {backend.url} as “{added['title']}”.")
        return added, True
    wanted = _backend_fields(project_id, backend, ours.get("title"))
    differs = [
        name
        for name, value in wanted.items()
        if name != "basic_auth_pass" and ours.get(name) != value
    ]
    if ours.get("state") == "CO" and not differs:
        say(f"{backend.url} is connected already.")
        return ours, False
    updated = studio.change_backend(cast("int", ours["id"]), wanted)
    say(f"Updated the connection of {backend.url}: {', '.join(differs) or 'password'}.")
    return updated, True


def _remove_doubles(
    studio: LabelStudio, project_id: int, connected: JsonObject, say: Say
) -> bool:
    """Leave one backend at our address; a POST that was repeated makes several.

    Looks again, as the POST that connected us may be the repeated one.
    """
    url = str(connected["url"]).rstrip("/")
    doubles = [
        each
        for each in studio.backends(project_id)
        if _is_at(url, each) and each["id"] != connected["id"]
    ]
    for double in doubles:
        studio.remove_backend(cast("int", double["id"]))
        say(f"Removed a second backend at {url}: “{double['title']}”.")
    return bool(doubles)


def _choose_predictions(
    studio: LabelStudio, project_id: int, connected: JsonObject, say: Say
) -> bool:
    """Have the labelling stream show our predictions where it can show none.

    Label Studio shows those of what `project.model_version` names: a backend by its
    title, or a version among the stored predictions. It enters the title of a backend
    that is added where nothing is named, and clears it when a backend of that title is
    removed, even one of two. What else is named was chosen by somebody.

    Source: Label Studio 1.23.2, `ml/api.py`, `ml/models.py`, `tasks/models.py`.
    """
    project = studio.project(project_id)
    title, chosen = connected["title"], project.get("model_version")
    if chosen == title:
        return False
    if not project.get("show_collab_predictions", True):
        say(
            "The project shows annotators no predictions. Switch on “Use predictions to"
            " prelabel tasks” in its annotation settings if it should."
        )
        return False
    if chosen and _answers(studio, project_id, chosen):
        say(f"The project goes on showing the predictions of “{chosen}”.")
        return False
    studio.change_project(project_id, {"model_version": title})
    before = f"“{chosen}”, which nothing answers to" if chosen else "nothing"
    say(f"The project showed the predictions of {before}; now those of “{title}”.")
    return True


def _answers(studio: LabelStudio, project_id: int, name: object) -> bool:
    """Whether it is the title of a live backend or the version of a prediction."""
    live = {
        each["title"]
        for each in studio.backends(project_id)
        if each.get("state") not in _NOT_READY
    }
    return name in live or name in studio.prediction_versions(project_id)


def _is_at(url: str, known: JsonObject) -> bool:
    return str(known["url"]).rstrip("/") == url


def _ours(backend: Backend, known: list[JsonObject]) -> JsonObject | None:
    """By address; else by title, as the address may be what has changed.

    Of several at our address a connected one, of those one with the right title.
    """
    title = backend.title or DEFAULT_TITLE
    here = [each for each in known if _is_at(backend.url, each)]
    if here:
        return max(
            here, key=lambda each: (each.get("state") == "CO", each["title"] == title)
        )
    return next((each for each in known if each["title"] == title), None)


def _backend_fields(
    project_id: int, backend: Backend, title: object = None
) -> JsonObject:
    """What the backend is to have in Label Studio, and `title`, its present one."""
    fields: JsonObject = {
        "project": project_id,
        "url": backend.url,
        "title": backend.title or title or DEFAULT_TITLE,
        "auth_method": "NONE",
    }
    if backend.user:
        fields |= {
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": backend.user,
            "basic_auth_pass": backend.password,
        }
    if backend.interactive is not None:
        fields["is_interactive"] = backend.interactive
    return fields


def _add_backend(studio: LabelStudio, project_id: int, backend: Backend) -> JsonObject:
    fields = _backend_fields(project_id, backend)
    try:
        return _add_with_retries(studio, fields)
    except LocalAddressBlocked:
        # With only SSRF_PROTECTION_ENABLED in the way Label Studio answers 403 and
        # still keeps the backend, without a webhook: it would never learn.
        for half_made in studio.backends(project_id):
            if half_made["url"] == backend.url:
                studio.remove_backend(cast("int", half_made["id"]))
        raise


def _add_with_retries(studio: LabelStudio, fields: JsonObject) -> JsonObject:
    """Label Studio waits 1 s for the first answer of a service that slept."""
    try:
        return studio.add_backend(fields)
    except BackendRefused as refusal:
        if "timed out" not in str(refusal):
            raise
        return studio.add_backend(fields)
