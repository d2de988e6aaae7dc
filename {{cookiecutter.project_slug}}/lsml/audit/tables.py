"""Which tables are sealed and exported, and how a row of each is written as text.

Tables of higher rooms are named here by their columns; nothing is imported from them.
"""

from dataclasses import dataclass
from typing import Final, Literal

FORMAT: Final = 1  # of the text below; another list of columns needs another number

Kind = Literal["integer", "float", "text", "json", "time"]


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table with `id`, `txid` and append-only triggers."""

    name: str
    columns: dict[str, Kind]  # in the order they are written
    partitioned: bool = True

    @property
    def select_list(self) -> str:
        """The columns for SQL; times in UTC, whatever the session's zone."""
        return ", ".join(
            f'"{name}" AT TIME ZONE \'UTC\' AS "{name}"'
            if kind == "time"
            else f'"{name}"'
            for name, kind in self.columns.items()
        )

    def lines(self, condition: str) -> str:
        """SQL for (id, txid, line) of the rows that meet `condition`."""
        return (
            "SELECT r.id, r.txid, row_to_json(r)::text AS line"
            f" FROM (SELECT {self.select_list} FROM {self.name} WHERE {condition}) r"
        )


_ORIGIN: Final[dict[str, Kind]] = {
    "id": "integer",
    "txid": "integer",
    "request_id": "text",
    "client": "text",
    "project_id": "integer",
}

TABLES: Final = {
    table.name: table
    for table in (
        SealedTable(
            "audit_prediction",
            {
                **_ORIGIN,
                "created_at": "time",
                "task_id": "integer",
                "model_version": "text",
                "kind": "text",
                "outcome": "text",
                "score": "float",
                "result": "json",
                "context": "json",
                "input_digest": "text",
                "input": "json",
                "latency_ms": "float",
                "batch_size": "integer",
                "error": "text",
            },
        ),
        SealedTable(
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
        ),
        SealedTable(
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
        ),
        SealedTable(
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
            },
            partitioned=False,
        ),
        SealedTable(
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
            partitioned=False,
        ),
    )
}
