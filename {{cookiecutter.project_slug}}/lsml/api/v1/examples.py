"""One row of each kind, for the OpenAPI document."""

from typing import Any, Final

_ORIGIN: Final = {
    "request_id": "6f1f0a3c5d5b4b9e8a7c1d2e3f405162",
    "client": "labelstudio 10.0.0.7",
    "project_pk": 1,
}

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "Prediction": {
        **_ORIGIN,
        "id": 7354117705207928,
        "created_at": "2026-11-23T12:59:30.120000Z",
        "task_id": 1,
        "model_version": "v3",
        "kind": "batch",
        "outcome": "ok",
        "score": 0.93,
        "result": [
            {
                "from_name": "sentiment",
                "to_name": "text",
                "type": "choices",
                "value": {"choices": ["Positive"]},
            }
        ],
        "context": None,
        "input_digest": "0" * 64,
        "input": None,
        "latency_ms": 12.5,
        "batch_size": 10,
        "error": "",
    },
    "Event": {
        **_ORIGIN,
        "id": 7354117705208021,
        "received_at": "2026-11-23T13:00:02.410000Z",
        "action": "ANNOTATION_CREATED",
        "task_id": 1,
        "annotation_ids": [11],
        "payload": {"action": "ANNOTATION_CREATED"},
        "digest": "0" * 64,
    },
    "AuditEntry": {
        **_ORIGIN,
        "id": 7354117705209000,
        "at": "2026-11-23T13:01:00Z",
        "actor": "ana",
        "verb": "training started",
        "target": "project 1",
        "reason": "new labels",
        "detail": {},
    },
    "Promotion": {
        "id": 7354117705210000,
        "project_id": 1,
        "from_version": "v2",
        "to_version": "v3",
        "at": "2026-11-23T13:02:00Z",
        "actor": "policy",
        "reason": "a run succeeded",
        "request_id": "6f1f0a3c5d5b4b9e8a7c1d2e3f405162",
    },
    "Version": {
        "id": 3,
        "project_id": 1,
        "number": 3,
        "version": "v3",
        "state": "ready",
        "parent_version": "v2",
        "metrics": {"accuracy": 0.91},
        "annotation_count": 60,
    },
    "Run": {
        "id": 5,
        "project_id": 1,
        "state": "succeeded",
        "trigger": "annotations",
        "requested_by": "policy",
        "progress": 1.0,
        "version": "v3",
    },
    "Seal": {
        "number": 17,
        "table": "audit_prediction",
        "row_count": 412,
        "first_id": 7354117705207928,
        "last_id": 7354117705248811,
        "digest": "0" * 64,
        "previous_digest": "0" * 64,
    },
}
