"""Computes the digests of rows and seals, in plain Python, as docs/audit.md describes.

Used by verification and the check of an export. PostgreSQL computes seals, in
lsml/audit/seal_functions.py.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

START: Final = "0" * 64  # previous digest of the first seal
END_OF_TRANSACTION_NUMBERS: Final = (1 << 63) - 1  # closes a generation
_LOCATOR_ENTRY: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# The facts that a seal's digest covers, in this order.
SEALED_FIELDS: Final = (
    "format",
    "number",
    "table",
    "generation",
    "system_identifier",
    "above_id",
    "from_txid",
    "from_id",
    "until_txid",
    "until_id",
    "row_count",
    "first_id",
    "last_id",
    "sealed_at",
    "rows_digest",
    "locator_digest",
    "previous_digest",
)


def leaf(line: str) -> bytes:
    """Return the SHA-256 (32 bytes) of a row's canonical line."""
    return hashlib.sha256(line.encode()).digest()


@dataclass(slots=True)
class RowDigest:
    """Computes the digest of rows, fed in the order (txid, id)."""

    count: int = 0
    first_id: int = 0
    last_id: int = 0
    _rows: Any = field(default_factory=hashlib.sha256)
    _locator: bytearray = field(default_factory=bytearray)

    def feed(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Add rows as (id, leaf)."""
        rows = list(rows)
        if not rows:
            return
        ids = [row[0] for row in rows]
        self.first_id = min(ids) if not self.count else min(self.first_id, *ids)
        self.last_id = max(self.last_id, *ids)
        self.count += len(rows)
        self._rows.update(b"".join([row[1] for row in rows]))
        self._locator += b"".join(
            [row[0].to_bytes(8, "big", signed=True) + row[1][:8] for row in rows]
        )

    @property
    def rows_digest(self) -> str:
        """SHA-256 (hex) over the leaves."""
        digest: str = self._rows.hexdigest()
        return digest

    @property
    def locator_digest(self) -> str:
        """SHA-256 (hex) of the locator."""
        return hashlib.sha256(self._locator).hexdigest()

    @property
    def locator(self) -> bytes:
        """Id and first 8 bytes of the leaf of each row."""
        return bytes(self._locator)


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that differs from what was sealed."""

    row_id: int
    how: Literal["changed", "deleted", "inserted"]


def differences(locator: bytes, rows: Iterable[tuple[int, bytes]]) -> list[Difference]:
    """Return how the rows found differ from a seal's locator, sorted by id.

    Args:
        locator: Of the seal.
        rows: (id, leaf) of each row found.
    """
    found = {row_id: row_leaf[:8] for row_id, row_leaf in rows}
    sealed = dict(locator_entries(locator))
    different = [
        Difference(row_id, "changed" if row_id in found else "deleted")
        for row_id, prefix in sealed.items()
        if found.get(row_id) != prefix
    ]
    different += [Difference(row_id, "inserted") for row_id in found.keys() - sealed]
    return sorted(different, key=lambda difference: difference.row_id)


def locator_entries(locator: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the id and the first 8 bytes of the leaf of each sealed row."""
    for at in range(0, len(locator), _LOCATOR_ENTRY):
        yield (
            int.from_bytes(locator[at : at + 8], "big", signed=True),
            bytes(locator[at + 8 : at + _LOCATOR_ENTRY]),
        )


def seal_digest(facts: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of a seal's facts, in decimal or hex, joined by `|`.

    Args:
        facts: SEALED_FIELDS; `sealed_at` in microseconds since 1970.
    """
    text = "|".join(str(facts[name]) for name in SEALED_FIELDS)
    return hashlib.sha256(text.encode()).hexdigest()


def microseconds(moment: datetime) -> int:
    """Return the microseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // timedelta(microseconds=1)
