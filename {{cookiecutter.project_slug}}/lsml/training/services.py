"""What other rooms ask of training. Each function owns its transaction."""

from functools import partial
from typing import Any

from django.db import transaction

from lsml.audit.models import WebhookEvent
from lsml.audit.services import Origin
from lsml.jobs.notify import notify_project
from lsml.labelstudio.webhooks import WebhookRequest
from lsml.training.inbox.accept import accept
from lsml.training.runs import request_cancel, retry_run, start_run

__all__ = ["receive", "request_cancel", "retry_run", "start_run"]


def receive(
    *, request: WebhookRequest, body: dict[str, Any], digest: str, origin: Origin
) -> WebhookEvent:
    """Keep an event that Label Studio sent; once this returns it cannot be lost.

    The worker is told after the commit, in at most a tenth of a second; where that
    fails the sweeper tells it.

    Args:
        request: The body, read.
        body: The body as sent; secrets are masked on the way into the audit trail.
        digest: SHA-256 (hex) of the bytes received.
        origin: The HTTP request.

    Raises:
        OperationalError, InterfaceError: The database did not confirm: answer 503.
    """
    event, waits = accept(request=request, body=body, digest=digest, origin=origin)
    if waits and event.project_id is not None:
        transaction.on_commit(partial(notify_project, event.project_id))
    return event
