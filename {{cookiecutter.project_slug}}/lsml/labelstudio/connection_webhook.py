"""Repairs the webhook of a connection, which Label Studio creates without credentials.

See `docs/label-studio.md`.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, cast

from lsml.labelstudio.webhooks import PROJECT_HEADER

if TYPE_CHECKING:
    from lsml.labelstudio.client import LabelStudio
    from lsml.labelstudio.connection import Backend, Say
    from lsml.labelstudio.identity import ProjectKey
    from lsml.labelstudio.reading import JsonObject

TOKEN_HEADER = "X-Webhook-Token"  # noqa: S105 - a header's name


def connect_webhook(
    studio: LabelStudio,
    project_id: int,
    key: ProjectKey,
    backend: Backend,
    say: Say,
) -> bool:
    """Keep one webhook to this service, with credentials.

    Returns:
        Whether anything changed.
    """
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
    hook, *duplicates = hooks
    for duplicate in duplicates:
        studio.remove_webhook(cast("int", duplicate["id"]))
        say(f"Removed a second webhook to {backend.webhook_url}.")
    present = cast("dict[str, object]", hook.get("headers") or {})
    if all(hook.get(name) == value for name, value in wanted.items()) and (
        present | headers == present
    ):
        say("The webhook is up to date.")
        return False
    studio.change_webhook(
        cast("int", hook["id"]), wanted | {"headers": present | headers}
    )
    say("Updated the webhook's credentials and settings.")
    return True


def _webhook_headers(key: ProjectKey, backend: Backend) -> JsonObject:
    headers: JsonObject = {PROJECT_HEADER: str(key)}
    if backend.user:
        pair = f"{backend.user}:{backend.password}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    elif backend.webhook_token:
        headers[TOKEN_HEADER] = backend.webhook_token
    return headers


def remove_stale_webhooks(
    studio: LabelStudio, project_id: int, backend: Backend, earlier: str, say: Say
) -> bool:
    """Remove the webhooks of our earlier addresses, and only report those of others.

    Args:
        studio: the Label Studio of the project.
        project_id: Label Studio's project ID.
        backend: this service.
        earlier: URL of the webhook before this run; "" = none.
        say: receives one line for each webhook.

    Returns:
        Whether any was removed.
    """
    in_use = {webhook_url(each) for each in studio.backends(project_id)}
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
            say(f"A webhook has no backend: {url}. Remove it if it is not used.")
    return removed


def webhook_url(backend: JsonObject) -> str:
    """Return the URL of the webhook that Label Studio creates for this backend."""
    return f"{str(backend['url']).rstrip('/')}/webhook"
