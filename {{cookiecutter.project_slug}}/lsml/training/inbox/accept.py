"""Accepts events: writes the audit row and the inbox entry, then wakes a worker."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.utils import timezone

from lsml.audit.services import INSERT_EVENT, event_parameters
from lsml.environment.statements import execute_prepared, is_rolled_back
from lsml.labelstudio.webhooks import ANNOTATIONS_WRITTEN, WebhookRequest
from lsml.observability.origin import Origin
from lsml.registry.events import (
    UNCHANGED_PROJECT,
    only_project,
    project_from_event,
    unchanged_project_parameters,
)
from lsml.training.inbox.waiting import notify_inbox

# One statement, so that both rows are committed or neither. `project` has at most one
# row.
_ACCEPT = """
WITH project AS ({project}), event AS ({event}), entry AS (
  INSERT INTO training_inboxentry (
    event_id, project_id, action, received_at, annotations, payload_missing, held
  )
  SELECT
    event.id, project.id, %(action)s::text, %(received_at)s::timestamptz,
    %(annotations)s::integer, %(payload_missing)s::boolean, false
  FROM event, project
  WHERE %(matters)s::boolean AND project.id IS NOT NULL AND project.archived_at IS NULL
  RETURNING event_id
)
SELECT event.id, event.project_pk, EXISTS (SELECT FROM entry) FROM event
"""
_GIVEN_PROJECT = """
SELECT %(project_pk)s::bigint AS id, %(archived_at)s::timestamptz AS archived_at
"""
_ACCEPT_IF_UNCHANGED = _ACCEPT.format(project=UNCHANGED_PROJECT, event=INSERT_EVENT)
_ACCEPT_FOR_PROJECT = _ACCEPT.format(project=_GIVEN_PROJECT, event=INSERT_EVENT)


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """A committed event."""

    pk: int
    project_pk: int | None  # the registry's key; None = no project
    waits: bool  # in the inbox


class _Try:
    """One try to write."""

    # Whether a commit is sent next, or was: a connection that breaks hides its outcome.
    committing = False


def receive(
    *, request: WebhookRequest, body: dict[str, Any], digest: str, origin: Origin
) -> AcceptedEvent:
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
    parameters = event_parameters(
        origin=origin,
        received_at=timezone.now(),
        action=request.action[:100],  # the column's width; `payload` has it whole
        task_id=request.task_id,
        annotation_ids=request.annotation_ids,
        payload=body,
        digest=digest,
    )
    parameters |= {
        "annotations": _trainable_count(request),
        "payload_missing": request.lacks_payload,
        "matters": request.affects_dataset or request.starts_training,
    }
    event = _accept(request, parameters, origin)
    if event.waits and event.project_pk is not None:
        transaction.on_commit(partial(notify_inbox, event.project_pk))
    return event


def _accept(
    request: WebhookRequest, parameters: dict[str, Any], origin: Origin
) -> AcceptedEvent:
    """Commit the event and, if it matters for training, its inbox entry.

    If a restart of the database broke the connection, this tries once more, unless the
    event may be committed: then it would be duplicated.

    Raises:
        OperationalError, InterfaceError: Not committed, or the outcome is unknown.
    """
    first = _Try()
    try:
        return _write(request, parameters, origin, first)
    except (OperationalError, InterfaceError) as error:
        in_doubt = first.committing and not is_rolled_back(error)
        if in_doubt or connection.in_atomic_block:
            raise
        connection.close()
    return _write(request, parameters, origin, _Try())


def _write(
    request: WebhookRequest, parameters: dict[str, Any], origin: Origin, attempt: _Try
) -> AcceptedEvent:
    attempt.committing = True
    if event := _write_if_unchanged(request, parameters):
        return event
    attempt.committing = False
    with transaction.atomic():
        project = project_from_event(
            key=request.project, project_object=request.project_object, origin=origin
        )
        if project is None and request.lacks_payload:
            project = only_project()
        given = {
            "project_pk": project.pk if project else None,
            "archived_at": project.archived_at if project else None,
        }
        (row,) = execute_prepared(_ACCEPT_FOR_PROJECT, parameters | given)
        attempt.committing = True
    return AcceptedEvent(*row)


def _write_if_unchanged(
    request: WebhookRequest, parameters: dict[str, Any]
) -> AcceptedEvent | None:
    """Commit the event with one statement, if its project is stored as it was sent.

    Returns:
        None if nothing was written.
    """
    if request.project is None:
        return None
    sent = unchanged_project_parameters(request.project, request.project_object)
    try:
        rows = execute_prepared(_ACCEPT_IF_UNCHANGED, parameters | sent)
    except IntegrityError:  # the project was deleted at this moment
        return None
    return AcceptedEvent(*rows[0]) if rows else None


def _trainable_count(request: WebhookRequest) -> int:
    if request.action not in ANNOTATIONS_WRITTEN:
        return 0
    if request.lacks_payload:
        return 1  # replaced by the true number once the payload was fetched
    return sum(not each.get("was_cancelled") for each in request.annotations)
