"""The time-ordered id of the partitioned tables."""

from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Func
from django.db.models.sql.compiler import SQLCompiler

# The low bits of an id count rows within one millisecond. 4096 are far more than one
# PostgreSQL inserts. With 12 bits, ids stay exact in JavaScript until 2039.
SEQUENCE_BITS = 12


class TimeOrderedId(Func):
    """`(milliseconds since 1970 << 12) | sequence`, computed by the database.

    One column serves as primary key, partition key and time index. See
    docs/adr/0003-time-ordered-ids.md.
    """

    output_field = models.BigIntegerField()

    def __init__(self, sequence: str) -> None:
        self.sequence = sequence
        super().__init__()

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, tuple[Any, ...]]:
        mask = (1 << SEQUENCE_BITS) - 1
        return (
            "(((extract(epoch FROM clock_timestamp()) * 1000)::bigint"
            f" << {SEQUENCE_BITS}) | (nextval('{self.sequence}') & {mask}))"
        ), ()


def first_id_at(moment: datetime) -> int:
    """Return the smallest id of a row written at `moment` (aware).

    Filters by time use it, so that PostgreSQL reads only partitions that can match.
    """
    return round(moment.timestamp() * 1000) << SEQUENCE_BITS


def moment_of(row_id: int) -> datetime:
    """Return when the row with this id was written, to the millisecond."""
    return datetime.fromtimestamp((row_id >> SEQUENCE_BITS) / 1000, tz=UTC)
