"""The webhook of a connection: Label Studio makes it without credentials.

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
    """Keep one webhook to us, with credentials. True if anything changed."""
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


def remove_stale_webhooks(
    studio: LabelStudio, project_id: int, backend: Backend, earlier: str, say: Say
) -> bool:
    """Remove what earlier addresses of ours left; only name what may be another's."""
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
            say(f"A webhook without a backend still fires: {url}. Remove it if unused.")
    return removed


def webhook_url(backend: JsonObject) -> str:
    """Return the address of the webhook Label Studio makes for this backend."""
    return f"{str(backend['url']).rstrip('/')}/webhook"
