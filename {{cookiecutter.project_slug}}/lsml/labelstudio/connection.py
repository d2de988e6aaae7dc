"""Connects this service to a Label Studio project, and repairs what is quietly wrong.

Label Studio's own "connect" leaves gaps: its webhook carries no credentials, is not
made for some addresses, stays behind when one changes. See `docs/label-studio.md`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from lsml.labelstudio.addresses import check_address
from lsml.labelstudio.errors import WireError
from lsml.labelstudio.failures import (
    BackendRefused,
    LabelStudioError,
    LocalAddressBlocked,
)
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.label_config import parse_label_config
from lsml.labelstudio.webhooks import PROJECT_HEADER

if TYPE_CHECKING:
    from lsml.labelstudio.client import LabelStudio
    from lsml.labelstudio.reading import JsonObject

Say = Callable[[str], None]

TOKEN_HEADER = "X-Webhook-Token"  # noqa: S105 - a header's name


@dataclass(frozen=True, slots=True)
class Backend:
    """This service as Label Studio is to know it."""

    url: str  # as Label Studio's machine or container reaches it
    title: str
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
    earlier = _webhook_url(ours) if ours else ""
    for other in known:
        if other is not ours:
            say(f"Another backend stays: “{other['title']}” at {other['url']}.")
    connected, changed = _connect_backend(studio, project_id, backend, ours, say)
    changed |= _connect_webhook(studio, project_id, key, backend, say)
    changed |= _remove_stale_webhooks(studio, project_id, backend, earlier, say)
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
        say(f"Connected {backend.url} as “{backend.title}”.")
        return added, True
    wanted = _backend_fields(project_id, backend)
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


def _ours(backend: Backend, known: list[JsonObject]) -> JsonObject | None:
    """By address; else by title, as the address may be what has changed."""
    for candidate in known:
        if str(candidate["url"]).rstrip("/") == backend.url:
            return candidate
    return next((each for each in known if each["title"] == backend.title), None)


def _backend_fields(project_id: int, backend: Backend) -> JsonObject:
    fields: JsonObject = {
        "project": project_id,
        "url": backend.url,
        "title": backend.title,
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


def _connect_webhook(
    studio: LabelStudio,
    project_id: int,
    key: ProjectKey,
    backend: Backend,
    say: Say,
) -> bool:
    hooks = [
        hook
        for hook in studio.webhooks(project_id)
        if hook["url"] == backend.webhook_url
    ]
    wanted: JsonObject = {
        "url": backend.webhook_url,
        "send_payload": True,
        "send_for_all_actions": True,
        "is_active": True,
    }
    headers = _webhook_headers(key, backend)
    if not hooks:
        studio.add_webhook(wanted | {"project": project_id, "headers": headers})
        say("Added the webhook, with credentials.")
        return True
    hook, *doubles = hooks
    for double in doubles:
        studio.remove_webhook(cast("int", double["id"]))
        say(f"Removed a second webhook to {backend.webhook_url}.")
    present = cast("dict[str, object]", hook.get("headers") or {})
    if all(hook.get(name) == value for name, value in wanted.items()) and (
        present | headers == present
    ):
        say("The webhook is in order.")
        return False
    studio.change_webhook(
        cast("int", hook["id"]), wanted | {"headers": present | headers}
    )
    say("Put credentials and settings on the webhook.")
    return True


def _webhook_headers(key: ProjectKey, backend: Backend) -> JsonObject:
    headers: JsonObject = {PROJECT_HEADER: str(key)}
    if backend.user:
        pair = f"{backend.user}:{backend.password}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    elif backend.webhook_token:
        headers[TOKEN_HEADER] = backend.webhook_token
    return headers


def _remove_stale_webhooks(
    studio: LabelStudio, project_id: int, backend: Backend, earlier: str, say: Say
) -> bool:
    """Remove what earlier addresses of ours left; only name what may be another's."""
    in_use = {_webhook_url(each) for each in studio.backends(project_id)}
    removed = False
    for hook in studio.webhooks(project_id):
        url = str(hook["url"])
        if url in in_use or url == backend.webhook_url or not url.endswith("/webhook"):
            continue
        marked = PROJECT_HEADER in cast("dict[str, object]", hook.get("headers") or {})
        if marked or url == earlier:
            studio.remove_webhook(cast("int", hook["id"]))
            say(f"Removed the webhook of an earlier address: {url}.")
            removed = True
        else:
            say(f"A webhook without a backend still fires: {url}. Remove it if unused.")
    return removed


def _webhook_url(backend: JsonObject) -> str:
    return f"{str(backend['url']).rstrip('/')}/webhook"
