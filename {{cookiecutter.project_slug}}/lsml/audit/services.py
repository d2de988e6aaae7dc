"""The only places where an audit row is written."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from lsml.audit.models import Action, Prediction, WebhookEvent
from lsml.labelstudio.secrets import masked, masked_text


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a deed came from: what ties its rows, log lines and answer together."""

    request_id: str  # 8 to 64 characters; a run's own id where there is no request
    client: str  # credential and address, or the program's name


def record_predictions(predictions: Sequence[Prediction]) -> None:
    """Write the rows of one request with a single INSERT.

    The caller sends its answer only after this returned: no prediction leaves without
    its row.
    """
    Prediction.objects.bulk_create(predictions)


def record_event(
    *,
    origin: Origin,
    received_at: datetime,
    action: str,
    project_id: int | None,
    task_id: int | None,
    annotation_ids: list[int],
    payload: dict[str, Any],
    digest: str,
) -> WebhookEvent:
    """Write what Label Studio told us. Secrets in `payload` are masked here."""
    return WebhookEvent.objects.create(
        request_id=origin.request_id,
        client=origin.client,
        received_at=received_at,
        action=action,
        project_id=project_id,
        task_id=task_id,
        annotation_ids=annotation_ids,
        payload=masked(payload),
        digest=digest,
    )


def record_action(
    *,
    origin: Origin,
    at: datetime,
    actor: str,
    verb: str,
    target: str,
    project_id: int | None = None,
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> Action:
    """Write a deed and who did it. Secrets in `reason` and `detail` are masked here.

    Args:
        origin: request or run the deed belongs to.
        at: when; the clock is read once per operation.
        actor: user name, `policy`, `worker` or `label studio`.
        verb: past tense, such as `version promoted`.
        target: what it was done to, such as `version v3`.
        project_id: the registry's key, where the deed concerns one project.
        reason: a person's words.
        detail: facts of this verb, JSON.
    """
    return Action.objects.create(
        request_id=origin.request_id,
        client=origin.client,
        at=at,
        actor=actor,
        verb=verb,
        target=target,
        project_id=project_id,
        reason=masked_text(reason),
        detail=masked(detail or {}),
    )


def digest_of(value: object) -> str:
    """SHA-256 (hex) of a JSON value; key order does not matter."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
