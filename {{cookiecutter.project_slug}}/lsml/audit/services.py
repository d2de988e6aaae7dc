"""The only places where an audit row is written."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection
from orjson import dumps

from lsml.audit.models import AuditEntry, Prediction, WebhookEvent
from lsml.labelstudio.secrets import masked, masked_task_data, masked_text
from lsml.observability.origin import Origin


@dataclass(frozen=True, slots=True)
class PredictionBatch:
    """What all rows of one request share; see audit.Prediction for the meanings."""

    origin: Origin
    created_at: datetime
    project_id: int
    model_version: str
    kind: Prediction.Kind
    context: dict[str, Any] | None
    latency_ms: float
    batch_size: int


# One parameter carries all rows, so that the statement is the same for one task and for
# five thousand. Model instances and bulk_create cost ten times this for one row.
_INSERT_PREDICTIONS = """
INSERT INTO audit_prediction (
  request_id, client, project_id, created_at, model_version, kind, context, latency_ms,
  batch_size, task_id, outcome, score, result, input_digest, input, error
)
SELECT %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s,
  task_id, outcome, score, result, input_digest, input, coalesce(error, '')
FROM json_to_recordset(%s) AS each (
  task_id bigint, outcome text, score float8, result jsonb, input_digest text,
  input jsonb, error text
)
"""


def record_predictions(batch: PredictionBatch, rows: list[dict[str, Any]]) -> None:
    """Write the rows of one request with a single INSERT.

    The caller sends its answer only after this returned: no prediction leaves without
    its row.

    Args:
        batch: what the rows share.
        rows: `task_id`, `outcome`, `score`, `result`, `input_digest`, `input`, `error`
            of each; what is left out is null. Secrets in `context`, `input` and `error`
            are masked here.
    """
    context = None if batch.context is None else dumps(masked(batch.context)).decode()
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_PREDICTIONS,
            [
                batch.origin.request_id,
                batch.origin.client,
                batch.project_id,
                batch.created_at,
                batch.model_version,
                batch.kind.value,
                context,
                batch.latency_ms,
                batch.batch_size,
                dumps([_masked_row(row) for row in rows]).decode(),
            ],
        )


def _masked_row(row: dict[str, Any]) -> dict[str, Any]:
    if "input" in row:
        row = {**row, "input": masked_task_data(row["input"])}
    if "error" in row:
        row = {**row, "error": masked_text(row["error"])}
    return row


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


def record_entry(
    *,
    origin: Origin,
    at: datetime,
    actor: str,
    verb: str,
    target: str,
    project_id: int | None = None,
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> AuditEntry:
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
    return AuditEntry.objects.create(
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
