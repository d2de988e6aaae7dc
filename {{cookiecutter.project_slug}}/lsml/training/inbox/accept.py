"""Accepts events: writes the audit row and the inbox entry, then wakes a worker."""

from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from lsml.audit.models import WebhookEvent
from lsml.audit.services import record_event
from lsml.labelstudio.webhooks import ANNOTATIONS_WRITTEN, WebhookRequest
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.registry.services import only_project, project_from_event
from lsml.training.inbox.waiting import notify_inbox
from lsml.training.models import InboxEntry


class _Try:
    """One try to write. Once COMMIT is sent, a lost connection hides its outcome."""

    committing = False


def receive(
    *, request: WebhookRequest, body: dict[str, Any], digest: str, origin: Origin
) -> WebhookEvent:
    """Store an event that Label Studio sent. Once this returns, it is committed.

    A worker is woken after the commit, which takes at most about 0.1 s. If that fails,
    the sweeper wakes one.

    Args:
        request: The body, parsed.
        body: The body as sent; secrets are masked before it is stored.
        digest: SHA-256 (hex) of the bytes received.
        origin: The HTTP request.

    Raises:
        OperationalError, InterfaceError: The database did not confirm the commit; the
            caller answers 503.
    """
    event, waits = _accept(request, body, digest, origin)
    if waits and event.project_pk is not None:
        transaction.on_commit(partial(notify_inbox, event.project_pk))
    return event


def _accept(
    request: WebhookRequest, body: dict[str, Any], digest: str, origin: Origin
) -> tuple[WebhookEvent, bool]:
    """Commit the event and, if it matters for training, its inbox entry.

    If a restart of the database broke the connection, this tries once more, unless
    COMMIT was already sent: then the event may be stored, and would be duplicated.

    Returns:
        The event, and whether it waits in the inbox.

    Raises:
        OperationalError, InterfaceError: Not committed, or the outcome is unknown.
    """
    first = _Try()
    try:
        return _write(request, body, digest, origin, first)
    except (OperationalError, InterfaceError):
        if first.committing or connection.in_atomic_block:
            raise
        connection.close()
    return _write(request, body, digest, origin, _Try())


def _write(
    request: WebhookRequest,
    body: dict[str, Any],
    digest: str,
    origin: Origin,
    attempt: _Try,
) -> tuple[WebhookEvent, bool]:
    received_at = timezone.now()
    with transaction.atomic():
        project = project_from_event(
            key=request.project, project_object=request.project_object, origin=origin
        )
        if project is None and request.lacks_payload:
            project = only_project()
        event = record_event(
            origin=origin,
            received_at=received_at,
            action=request.action[:100],  # the column's width; `payload` has it whole
            project_pk=project.pk if project else None,
            task_id=request.task_id,
            annotation_ids=request.annotation_ids,
            payload=body,
            digest=digest,
        )
        waits = project is not None and _matters(request, project)
        if waits and project is not None:
            InboxEntry.objects.create(
                event_id=event.pk,
                project=project,
                action=request.action,
                received_at=received_at,
                annotations=_trainable_count(request),
                payload_missing=request.lacks_payload,
            )
        attempt.committing = True
    return event, waits


def _matters(request: WebhookRequest, project: Project) -> bool:
    if project.archived_at is not None:
        return False
    return request.affects_dataset or request.starts_training


def _trainable_count(request: WebhookRequest) -> int:
    if request.action not in ANNOTATIONS_WRITTEN:
        return 0
    if request.lacks_payload:
        return 1  # replaced by the true number once the payload was fetched
    return sum(not each.get("was_cancelled") for each in request.annotations)
