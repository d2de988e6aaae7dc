"""Checks rows against seals, and seals against each other: `manage.py audit verify`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import BinaryField, F, Func, Sum

from lsml.audit import anchors, chain, facts
from lsml.audit.lag import overdue_after, unsealed_rows
from lsml.audit.leaves import leaves, write_as_documented
from lsml.audit.models import DroppedPartition, Seal
from lsml.audit.plausibility import NAMED_ROWS_MAX, SealTimes, impossible_rows
from lsml.audit.sealing import seals_ever_made
from lsml.audit.tables import FORMAT, SEALED_TABLES
from lsml.audit.windows import BATCH_ROWS, follows, joined, shares_query


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference between what was sealed and what is there."""

    sentence: str
    table: str = ""
    row_id: int | None = None
    seal: int | None = None

    def __str__(self) -> str:
        return self.sentence


@dataclass(slots=True)
class Report:
    """The result of a verification, filled while it runs."""

    rows: int = 0
    seals: int = 0
    dropped_rows: int = 0  # of partitions that retention removed
    unsealed_rows: int = 0  # still to be sealed
    facts: int = 0  # in other tables, compared with the audit rows
    uncovered_facts: int = 0  # nothing sealed says what they should be
    findings: list[Finding] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Whether there are no findings."""
        return not self.findings


def rows_to_verify(since: datetime | None = None) -> int:
    """Return the number of sealed rows to check, for a progress bar."""
    seals = (
        Seal.objects.all()
        if since is None
        else Seal.objects.filter(sealed_at__gte=since)
    )
    return seals.aggregate(rows=Sum("row_count"))["rows"] or 0


def verify(
    *,
    since: datetime | None = None,
    anchored: Iterable[tuple[int, str]] | None = None,
    progress: Callable[[int], object] = lambda rows: None,
) -> Report:
    """Check everything sealed since a moment, in bounded memory.

    Args:
        since: check seals made from then on; None = all.
        anchored: number and digest of seals as published; None = read them from
            AUDIT_ANCHOR.
        progress: called with the number of rows checked since its last call.

    The facts that other tables hold are compared only if `since` is None.
    """
    report = Report()
    ever = seals_ever_made()  # read first: more seals may be made meanwhile
    with transaction.atomic():
        write_as_documented()
        _Verification(report, progress).run(since)
    highest = Seal.objects.order_by("-number").values_list("number", flat=True).first()
    if ever > (highest or 0):
        report.findings.append(_seal_missing((highest or 0) + 1))
    if anchored is None:
        anchored = anchors.published() if ever else ()
    _check_anchors(report, anchored)
    if since is None:
        _check_facts(report, progress)
    return report


class _Verification:
    def __init__(self, report: Report, progress: Callable[[int], object]) -> None:
        self.report = report
        self.progress = progress
        self.waiting: dict[str, list[Seal]] = defaultdict(list)
        self.waiting_rows: dict[str, int] = defaultdict(int)
        self.last: dict[str, Seal] = {}  # of each table, in the order of the chain
        self.seal_times = SealTimes()
        self.dropped = {
            table: list(
                DroppedPartition.objects.filter(table=table).values_list(
                    "from_id", "until_id"
                )
            )
            for table in SEALED_TABLES
        }

    def run(self, since: datetime | None) -> None:
        """Follow the chain. Rows are read in batches, for several seals at once."""
        self.from_the_start = since is None
        previous: Seal | None = None
        for seal in _seals(since):
            self._check_seal(seal, previous)
            self._check_rows_soon(seal)
            previous = seal
        for table in SEALED_TABLES:
            self._check_waiting(table)
            self._check_unsealed(table)
            for row_id, sentence in impossible_rows(table):
                self.report.findings.append(Finding(sentence, table, row_id))

    def _check_seal(self, seal: Seal, previous: Seal | None) -> None:
        number = seal.number
        self.report.seals += 1
        if (
            seal.table not in SEALED_TABLES
            or seal.format != FORMAT
            or (chain.seal_digest(_facts(seal)) != seal.digest)
        ):
            self._find(f"Seal {number} was changed.", seal)
        if previous and number != previous.number + 1:
            self.report.findings.append(_seal_missing(previous.number + 1))
        elif previous and seal.previous_digest != previous.digest:
            self._find(f"Seal {number} does not follow seal {previous.number}.", seal)
        elif previous is None and (number == 1) != (
            seal.previous_digest == chain.START
        ):
            self._find(f"Seal {number} is not the first of its chain.", seal)

    def _check_rows_soon(self, seal: Seal) -> None:
        """Collect neighbouring seals of a generation, so that they share a query."""
        if seal.table not in SEALED_TABLES:
            return
        before = self.last.get(seal.table)
        if (before or self.from_the_start) and not follows(before, seal):
            self._find(
                f"Before seal {seal.number}, rows of {seal.table} are in no seal.", seal
            )
        self.last[seal.table] = seal
        waiting = self.waiting[seal.table]
        if waiting and (
            self.waiting_rows[seal.table] + seal.row_count > BATCH_ROWS
            or not shares_query(waiting[-1], seal)
        ):
            self._check_waiting(seal.table)
        self.waiting[seal.table].append(seal)
        self.waiting_rows[seal.table] += seal.row_count

    def _check_waiting(self, table: str) -> None:
        seals = self.waiting.pop(table, [])
        self.waiting_rows[table] = 0
        if not seals:
            return
        rows = _by_seal(leaves(SEALED_TABLES[table], joined(seals).condition), seals)
        for seal, its_rows in zip(seals, rows, strict=True):
            self._check_rows(seal, its_rows)

    def _check_rows(self, seal: Seal, rows: list[tuple[int, bytes]]) -> None:
        found = chain.RowDigest()
        found.feed(rows)
        self.report.rows += found.count
        self.progress(seal.row_count)
        self._find_rows(seal, self.seal_times.implausible_rows(seal, found, rows))
        if found.rows_digest == seal.rows_digest and found.count == seal.row_count:
            return
        locator = Seal.objects.values_list("locator", flat=True).get(pk=seal.number)
        different = chain.differences(bytes(locator), rows)
        gone = [
            one
            for one in different
            if one.how == "deleted" and self._was_dropped(seal.table, one.row_id)
        ]
        self.report.dropped_rows += len(gone)
        named = [one for one in different if one not in gone] if gone else different
        self._find_rows(
            seal,
            (
                (
                    one.row_id,
                    f"Row {one.row_id} of {seal.table} was {one.how}"
                    f" (seal {seal.number}).",
                )
                for one in named
            ),
        )
        if not different:
            self._find(
                f"Rows {seal.first_id} to {seal.last_id} of {seal.table} do not match"
                f" seal {seal.number}.",
                seal,
            )

    def _check_unsealed(self, table: str) -> None:
        """Report rows that should already be sealed."""
        unsealed = unsealed_rows(table)
        self.report.unsealed_rows += unsealed.count
        if unsealed.overdue:
            self.report.findings.append(
                Finding(
                    f"Sealing lags: {unsealed.overdue} rows of {table}, from"
                    f" {unsealed.first_id} on, are in no seal although they are older"
                    f" than {overdue_after().total_seconds():.0f} s. Run `manage.py"
                    " audit seal`. If they stay unsealed, a transaction that has"
                    " written is still open; otherwise look at beat and at the workers"
                    " with the queue `scheduled`. If these run, the last seals were"
                    " removed.",
                    table,
                    unsealed.first_id,
                )
            )

    def _was_dropped(self, table: str, row_id: int) -> bool:
        return any(low <= row_id < high for low, high in self.dropped[table])

    def _find_rows(self, seal: Seal, rows: Iterable[tuple[int, str]]) -> None:
        more = 0
        for number, (row_id, sentence) in enumerate(rows, 1):
            if number <= NAMED_ROWS_MAX:
                self._find(sentence, seal, row_id)
            else:
                more += 1
        if more:
            self._find(f"… and {more} more rows of seal {seal.number}.", seal)

    def _find(self, sentence: str, seal: Seal, row_id: int | None = None) -> None:
        self.report.findings.append(Finding(sentence, seal.table, row_id, seal.number))


def _seals(since: datetime | None) -> Iterator[Seal]:
    """Yield the seals in the order of the chain, without their locators."""
    seals = Seal.objects.defer("locator").annotate(
        locator_digest=Func(F("locator"), function="sha256", output_field=BinaryField())
    )
    number = 0
    if since is not None:
        first = Seal.objects.filter(sealed_at__gte=since).order_by("number").first()
        if first is None:
            return
        number = first.number - 1
    while batch := list(seals.filter(number__gt=number).order_by("number")[:1000]):
        yield from batch
        number = batch[-1].number


def _facts(seal: Any) -> dict[str, Any]:
    columns = {name: getattr(seal, name, None) for name in chain.SEALED_FIELDS}
    return columns | {
        "locator_digest": bytes(seal.locator_digest).hex(),
        "sealed_at": chain.microseconds(seal.sealed_at),
    }


def _by_seal(
    batches: Iterator[list[tuple[int, int, bytes]]], seals: list[Seal]
) -> Iterator[list[tuple[int, bytes]]]:
    """Split the rows, which are in sealing order, by the seals they belong to."""
    rows = [row for batch in batches for row in batch]
    start = 0
    for seal in seals[:-1]:
        end, until = start, (seal.until_txid, seal.until_id)
        while end < len(rows) and (rows[end][1], rows[end][0]) < until:
            end += 1
        yield [(row[0], row[2]) for row in rows[start:end]]
        start = end
    yield [(row[0], row[2]) for row in rows[start:]]


def _seal_missing(number: int) -> Finding:
    return Finding(f"Seal {number} is missing.", seal=number)


def _check_anchors(report: Report, anchored: Iterable[tuple[int, str]]) -> None:
    digests = Seal.objects.values_list("digest", flat=True)
    try:
        for number, digest in anchored:
            if digests.filter(pk=number).first() != digest:
                report.findings.append(
                    Finding(
                        f"Seal {number} differs from the anchored one.", seal=number
                    )
                )
    except anchors.NotAnAnchor as error:
        report.findings.append(Finding(str(error)))


def _check_facts(report: Report, progress: Callable[[int], object]) -> None:
    damaged = frozenset(finding.table for finding in report.findings)
    # Facts are no rows, and do not count for the progress. The callback may end a job.
    tally = facts.Tally(lambda _: progress(0), damaged=damaged)
    report.findings += map(Finding, facts.check_facts(tally))
    report.facts, report.uncovered_facts = tally.compared, tally.uncovered
