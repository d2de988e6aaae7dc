"""Writes audit rows. No other module writes them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.utils import timezone
from psycopg.types.json import Json, Jsonb

from lsml.audit.group_commit import GroupCommit
from lsml.audit.models import AuditEntry, Prediction
from lsml.environment.statements import execute_prepared
from lsml.labelstudio.secrets import masked, masked_task_data, masked_text
from lsml.observability.origin import Origin, command_actor


@dataclass(frozen=True, slots=True)
class PredictionBatch:
    """The columns that all rows of a request share. See `audit.Prediction`."""

    origin: Origin
    created_at: datetime
    project_pk: int
    model_version: str
    kind: Prediction.Kind
    context: dict[str, Any] | None
    latency_ms: float
    batch_size: int


# Written by hand: for one row, bulk_create with model instances takes ten times as
# long. One parameter carries the rows of several requests, so the statement is the same
# for one task and for five thousand. It returns the numbers of the recorded requests,
# from 1.
_INSERT_PREDICTIONS = """
WITH request AS MATERIALIZED (
  SELECT * FROM ROWS FROM (json_to_recordset(%(requests)s::json) AS (
    if_project xid, request_id text, client text, project_pk bigint,
    created_at timestamptz, model_version text, kind text, context jsonb,
    latency_ms float8, batch_size int, rows json
  )) WITH ORDINALITY
  WHERE if_project IS NULL OR EXISTS (
    SELECT FROM registry_project AS project
    WHERE project.id = project_pk AND project.xmin = if_project
  )
), recorded AS (
  INSERT INTO audit_prediction (
    request_id, client, project_pk, created_at, model_version, kind, context,
    latency_ms, batch_size, task_id, outcome, withheld, score, result, input_digest,
    input, error
  )
  SELECT request_id, client, project_pk, created_at, model_version, kind, context,
    latency_ms, batch_size, task_id, outcome, coalesce(withheld, false), score, result,
    input_digest, input, coalesce(error, '')
  FROM request, json_to_recordset(rows) AS each (
    task_id bigint, outcome text, withheld boolean, score float8, result jsonb,
    input_digest text, input jsonb, error text
  )
)
SELECT ordinality FROM request
"""
# Larger requests are written alone, so that the others need not wait for them, and a
# group's statement has at most 8 MiB.
_GROUP_ROWS_MAX = 50
_GROUP_BYTES_MAX = 256 * 1024
_GROUP_MAX = 32


def record_predictions(
    batch: PredictionBatch, rows: list[dict[str, Any]], *, if_project: str = ""
) -> bool:
    """Write the rows of one request. They are committed when this returns.

    The caller answers after this returns, so no prediction is sent without a row.

    Args:
        batch: the columns that the rows share.
        rows: `task_id`, `outcome`, `withheld`, `score`, `result`, `input_digest`,
            `input`, `error` of each. A missing key is null, or false. Secrets in
            `context`, `input` and `error` are masked here.
        if_project: write only if the project's row has this version (`Served`).

    Returns:
        Whether they were written.
    """
    request = {
        "if_project": if_project or None,
        "request_id": batch.origin.request_id,
        "client": batch.origin.client,
        "project_pk": batch.project_pk,
        "created_at": batch.created_at,
        "model_version": batch.model_version,
        "kind": batch.kind.value,
        "context": masked(batch.context),
        "latency_ms": batch.latency_ms,
        "batch_size": batch.batch_size,
        "rows": [_masked_row(row) for row in rows],
    }
    encoded = orjson.dumps(request)
    if len(rows) > _GROUP_ROWS_MAX or len(encoded) > _GROUP_BYTES_MAX:
        return _insert_predictions([encoded])[0]
    return _predictions.write(encoded)


def _insert_predictions(requests: list[bytes]) -> list[bool]:
    """Write the rows of several requests, each a JSON object.

    Returns:
        For each, whether its rows were written.
    """
    # As bytes: a text of megabytes would be copied twice more.
    parameters = {"requests": Json(b"[" + b",".join(requests) + b"]", dumps=bytes)}
    recorded = {
        number for (number,) in execute_prepared(_INSERT_PREDICTIONS, parameters)
    }
    return [number in recorded for number in range(1, len(requests) + 1)]


_predictions = GroupCommit(_insert_predictions, most=_GROUP_MAX)


def _masked_row(row: dict[str, Any]) -> dict[str, Any]:
    if "input" in row:
        row = {**row, "input": masked_task_data(row["input"])}
    if "error" in row:
        row = {**row, "error": masked_text(row["error"])}
    return row


# Part of the statement that accepts an event, which defines `project`: one row with an
# `id`, which may be null. lsml/training/inbox/accept.py executes it.
INSERT_EVENT = """
INSERT INTO audit_webhookevent (
  request_id, client, received_at, action, project_pk, task_id, annotation_ids, payload,
  digest
)
SELECT
  %(request_id)s::text, %(client)s::text, %(received_at)s::timestamptz,
  %(action)s::text, project.id, %(task_id)s::bigint, %(annotation_ids)s::bigint[],
  %(payload)s::jsonb, %(digest)s::text
FROM project
RETURNING id, project_pk
"""


def event_parameters(
    *,
    origin: Origin,
    received_at: datetime,
    action: str,
    task_id: int | None,
    annotation_ids: list[int],
    payload: dict[str, Any],
    digest: str,
) -> dict[str, Any]:
    """Return the parameters of `INSERT_EVENT`. Secrets in `payload` are masked here."""
    return {
        "request_id": origin.request_id,
        "client": origin.client,
        "received_at": received_at,
        "action": action,
        "task_id": task_id,
        "annotation_ids": f"{{{','.join(map(str, annotation_ids))}}}",
        "payload": Jsonb(masked(payload), dumps=orjson.dumps),
        "digest": digest,
    }


def record_entry(
    *,
    origin: Origin,
    at: datetime,
    actor: str,
    verb: AuditEntry.Verb,
    target: str,
    project_pk: int | None = None,
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> AuditEntry:
    """Write who did what. Secrets in `reason` and `detail` are masked here.

    Args:
        origin: the request, command or job.
        at: when (aware); callers read the clock once per operation.
        actor: user name, `policy`, `worker` or `label studio`.
        verb: what was done.
        target: what it was done to, such as `version v3`.
        project_pk: the registry's key; None if it does not concern one project.
        reason: as the person wrote it.
        detail: JSON; its keys depend on the verb.
    """
    return AuditEntry.objects.create(
        request_id=origin.request_id,
        client=origin.client,
        at=at,
        actor=actor,
        verb=verb,
        target=target,
        project_pk=project_pk,
        reason=masked_text(reason),
        detail=masked(detail or {}),
    )


def record_command(
    name: str,
    *,
    verb: AuditEntry.Verb,
    target: str,
    detail: dict[str, Any],
) -> AuditEntry:
    """Write that somebody ran `manage.py name`, now.

    Args:
        name: of the command.
        verb: what it did.
        target: a file's or folder's name; the end of a long one is cut off.
        detail: JSON; its keys depend on the verb.
    """
    return record_entry(
        origin=Origin.from_command(name),
        at=timezone.now(),
        actor=command_actor(),
        verb=verb,
        target=target[:200],
        detail=detail,
    )


def digest_of(value: object) -> str:
    """Return the SHA-256 (hex) of a JSON value; the order of keys does not matter."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
