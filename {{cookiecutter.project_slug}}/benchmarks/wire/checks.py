"""Checks that what was measured was also done."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from benchmarks.wire.load import Load

_IN_FLIGHT_S = 0.5  # until the requests that wrk left behind are committed


class Checks:
    """Counts answers and their rows: refused requests would make a side look fast.

    Attributes:
        wrong: what does not agree, as sentences.
    """

    def __init__(self) -> None:
        self.answers = 0
        self.rows = 0
        self.wrong: list[str] = []
        self._least: Counter[str] = Counter()  # rows, by table
        self._most: Counter[str] = Counter()

    @contextmanager
    def rows_of(self, tables: Iterable[str]) -> Iterator[None]:
        """Check that the turns inside leave the rows of their answers in the tables."""
        self._least.clear()
        self._most.clear()
        before = _rows(tables)
        yield
        time.sleep(_IN_FLIGHT_S)
        for table, count in _rows(before).items():
            new = count - before[table]
            self.rows += new
            if not self._least[table] <= new <= self._most[table]:
                self.wrong.append(
                    f"{new} new rows in {table}, which should be"
                    f" {self._least[table]} to {self._most[table]}"
                )

    def add(self, load: Load, tables: Iterable[str], rows: int, in_flight: int) -> None:
        """Add a turn, whose good answers left `rows` each in the tables."""
        self.answers += load.good
        for table in tables:
            self._least[table] += load.good * rows
            # The last request of a connection is answered after wrk has ended.
            self._most[table] += (load.good + in_flight) * rows

    def __str__(self) -> str:
        if self.wrong:
            return "\n".join(["checked: the figures cannot be trusted", *self.wrong])
        return (
            f"checked: {self.answers:,} good answers; the tables have the rows of each,"
            f" {self.rows:,} in all"
        )


def _rows(tables: Iterable[str]) -> dict[str, int]:
    from django.db import connection

    with connection.cursor() as cursor:
        counts = {}
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table}")
            counts[table] = cursor.fetchone()[0]
    return counts
