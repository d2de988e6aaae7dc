"""Connects this service to a Label Studio project, and repairs an existing connection.

Label Studio's own "connect" is incomplete: its webhook has no credentials, is missing
for some addresses, and remains when an address changes. See `docs/label-studio.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from lsml.labelstudio.addresses import check_address
from lsml.labelstudio.backends import best_at, is_at, remove_duplicates
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
    """This service as it is registered in Label Studio."""

    url: str  # as Label Studio's machine or container reaches it
    title: str | None = None  # None = unchanged; DEFAULT_TITLE for a new backend
    user: str = ""  # basic auth; "" = none
    password: str = field(default="", repr=False)
    webhook_token: str = field(default="", repr=False)  # used without basic auth
    interactive: bool | None = None  # None = unchanged
    earlier_url: str = ""  # where it was connected last; "" = not known
    versions: frozenset[str] = frozenset()  # names that its title may have had

    @property
    def webhook_url(self) -> str:
        return f"{self.url}/webhook"


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection that `connect` found or created."""

    project: JsonObject
    key: ProjectKey
    backend: JsonObject
    changed: bool  # whether anything in Label Studio was changed


def connect(
    *, studio: LabelStudio, project_id: int, backend: Backend, say: Say
) -> Connection:
    """Register the backend in the project, or update it.

    A second run changes nothing.

    Args:
        studio: the Label Studio of the project.
        project_id: Label Studio's project ID.
        backend: this service.
        say: receives one line for each step.

    Raises:
        LabelStudioError: a step failed; the error names the next step for a person.
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
        if other is not ours and not is_at(backend.url, other):
            say(f"Another backend is kept: “{other['title']}” at {other['url']}.")
    connected, changed = _connect_backend(studio, project_id, backend, ours, say)
    changed |= _remove_duplicates(studio, project_id, connected, say)
    changed |= connect_webhook(studio, project_id, key, backend, say)
    changed |= remove_stale_webhooks(studio, project_id, backend, earlier, say)
    changed |= _show_predictions(studio, project_id, connected, say)
    return Connection(project, key, connected, changed)


def try_prediction(studio: LabelStudio, connection: Connection, say: Say) -> None:
    """Have Label Studio request one prediction from the backend. It is not stored.

    Raises:
        BackendRefused: the request failed, or the answer has no predictions.
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
            f"The test prediction was empty: {answer.get('error_message')}",
            "The service's log says why, under the request id of /predict.",
        )
    empty = predictions[0] in ([], None)
    say(
        "The test prediction works through Label Studio"
        + (", but the model has none for that task yet." if empty else ".")
    )


def _check_label_config(project: JsonObject) -> None:
    try:
        parse_label_config(str(project.get("label_config") or ""))
    except WireError as error:
        raise LabelStudioError(
            f"The project's label config cannot be used: {error}",
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
        say(f"{backend.url} is already connected.")
        return ours, False
    updated = studio.change_backend(cast("int", ours["id"]), wanted)
    say(f"Updated the connection of {backend.url}: {', '.join(differs) or 'password'}.")
    return updated, True


def _remove_duplicates(
    studio: LabelStudio, project_id: int, connected: JsonObject, say: Say
) -> bool:
    # Listed again, because our own POST may have been repeated.
    removed = remove_duplicates(studio, connected, studio.backends(project_id))
    for title in removed:
        say(f"Removed a second backend at {connected['url']}: “{title}”.")
    return bool(removed)


def _show_predictions(
    studio: LabelStudio, project_id: int, connected: JsonObject, say: Say
) -> bool:
    """Have the labelling stream show our predictions if it cannot show any others.

    `project.model_version` names what Label Studio shows: the title of a backend, or a
    version of the stored predictions. If it is empty, adding a backend sets it to that
    backend's title. Removing a backend clears it if it has that title, even if a second
    backend has the same title. Any other value was chosen by a person.

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
    if chosen and _exists(studio, project_id, chosen):
        say(f"The project still shows the predictions of “{chosen}”.")
        return False
    studio.change_project(project_id, {"model_version": title})
    before = f"those of “{chosen}”, which no longer works" if chosen else "none"
    say(f"The project now shows the predictions of “{title}” (before: {before}).")
    return True


def _exists(studio: LabelStudio, project_id: int, name: object) -> bool:
    """Whether a connected backend or a stored prediction version has this name."""
    live = {
        each["title"]
        for each in studio.backends(project_id)
        if each.get("state") not in _NOT_READY
    }
    return name in live or name in studio.prediction_versions(project_id)


def _ours(backend: Backend, known: list[JsonObject]) -> JsonObject | None:
    """Find our backend by address, or else by the earlier one, or else by title."""
    title = backend.title or DEFAULT_TITLE
    for url in (backend.url, backend.earlier_url):
        if found := best_at(url, known, title=title):
            return found
    titles = {title} if backend.earlier_url else {title, *backend.versions}
    return next((each for each in known if each["title"] in titles), None)


def _backend_fields(
    project_id: int, backend: Backend, title: object = None
) -> JsonObject:
    """Return the backend's fields for Label Studio; `title` is its current title."""
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
        # If only SSRF_PROTECTION_ENABLED blocks the address, Label Studio answers 403
        # but keeps the backend without a webhook, so no annotation would arrive.
        for incomplete in studio.backends(project_id):
            if incomplete["url"] == backend.url:
                studio.remove_backend(cast("int", incomplete["id"]))
        raise


def _add_with_retries(studio: LabelStudio, fields: JsonObject) -> JsonObject:
    """Add the backend; try again if the service's first answer took more than 1 s."""
    try:
        return studio.add_backend(fields)
    except BackendRefused as refusal:
        if "timed out" not in str(refusal):
            raise
        return studio.add_backend(fields)
