"""Declares the append-only tables. Plain Python, because the settings read it.

A new audit table is a model, a declaration here, and a migration that creates it with
`lsml.audit.operations.CreateAppendOnlyModel`. Tables of other apps are declared by
name, so nothing is imported from them.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

FORMAT: Final = 1  # of a row's text; increase it when a list of columns changes

Kind = Literal["integer", "float", "boolean", "text", "json", "time"]


@dataclass(frozen=True, slots=True)
class AuditTable:
    """A table whose rows are only added."""

    name: str
    # The columns that are sealed and exported, in the order of the row's text. Empty if
    # the table is not sealed; then it has no column `txid`.
    columns: dict[str, Kind] = field(default_factory=dict)
    # The environment variable with the days that rows are kept. Retention drops whole
    # months, so a table with retention has a partition per month. "" = kept forever.
    retention: str = ""

    @property
    def is_sealed(self) -> bool:
        """Whether seals cover its rows."""
        return bool(self.columns)

    @property
    def is_partitioned(self) -> bool:
        """Whether the table has a partition per month."""
        return bool(self.retention)

    @property
    def select_list(self) -> str:
        """The columns for SQL; times in UTC, whatever the session's time zone."""
        return ", ".join(
            f'"{name}" AT TIME ZONE \'UTC\' AS "{name}"'
            if kind == "time"
            else f'"{name}"'
            for name, kind in self.columns.items()
        )

    def lines(self, condition: str) -> str:
        """Return SQL for (id, txid, line) of the rows that meet `condition`."""
        return (
            "SELECT r.id, r.txid, row_to_json(r)::text AS line"
            f" FROM (SELECT {self.select_list} FROM {self.name} WHERE {condition}) r"
        )


_ORIGIN: Final[dict[str, Kind]] = {
    "id": "integer",
    "txid": "integer",
    "request_id": "text",
    "client": "text",
    "project_pk": "integer",
}

AUDIT_TABLES: Final = (
    AuditTable(
        "audit_prediction",
        {
            **_ORIGIN,
            "created_at": "time",
            "task_id": "integer",
            "model_version": "text",
            "kind": "text",
            "outcome": "text",
            "withheld": "boolean",
            "score": "float",
            "result": "json",
            "context": "json",
            "input_digest": "text",
            "input": "json",
            "latency_ms": "float",
            "batch_size": "integer",
            "error": "text",
        },
        retention="AUDIT_RETENTION_DAYS_PREDICTION",
    ),
    AuditTable(
        "audit_webhookevent",
        {
            **_ORIGIN,
            "received_at": "time",
            "action": "text",
            "task_id": "integer",
            "annotation_ids": "json",
            "payload": "json",
            "digest": "text",
        },
        retention="AUDIT_RETENTION_DAYS_EVENT",
    ),
    AuditTable(
        "audit_auditentry",
        {
            **_ORIGIN,
            "at": "time",
            "actor": "text",
            "verb": "text",
            "target": "text",
            "reason": "text",
            "detail": "json",
        },
        retention="AUDIT_RETENTION_DAYS_ACTION",
    ),
    AuditTable(
        "registry_promotion",
        {
            "id": "integer",
            "txid": "integer",
            "request_id": "text",
            "project_id": "integer",
            "from_version_id": "integer",
            "to_version_id": "integer",
            "at": "time",
            "actor": "text",
            "reason": "text",
            "overrides": "text",
        },
    ),
    AuditTable(
        "audit_droppedpartition",
        {
            "id": "integer",
            "txid": "integer",
            "at": "time",
            "actor": "text",
            "sealed_table": "text",
            "partition": "text",
            "from_id": "integer",
            "until_id": "integer",
            "row_count": "integer",
            "export": "text",
            "export_digest": "text",
        },
    ),
    AuditTable("audit_seal"),
)
# In the order in which the sealer takes them.
SEALED_TABLES: Final = {table.name: table for table in AUDIT_TABLES if table.is_sealed}
PARTITIONED_TABLES: Final = tuple(
    table.name for table in AUDIT_TABLES if table.is_partitioned
)
