"""Compares rows that may change with the audit rows that recorded them.

Seals cover the append-only tables alone. Versions, runs and annotations are in other
tables, whose rooms register a check here: this package cannot import them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Exists, Func, JSONField, Max, OuterRef, QuerySet

from lsml.audit.fields import moment_of
from lsml.audit.models import AuditEntry, DroppedPartition
from lsml.labelstudio.reading import as_dict, as_id
from lsml.labelstudio.secrets import masked

BATCH: Final = 500  # rows that a check reads at once
_NAMED_MAX: Final = 100  # differences that one check names
_SHOWN_CHARACTERS: Final = 120  # of a value in a sentence


@dataclass(slots=True)
class Tally:
    """What the checks count while they run."""

    progress: Callable[[int], object] = lambda facts: None
    compared: int = 0
    uncovered: int = 0  # nothing sealed (any more) says what they should be
    # Audit tables with findings: their rows cannot be counted on.
    damaged: frozenset[str] = frozenset()

    def add(self, compared: int, *, uncovered: int = 0) -> None:
        """Count facts. Raises what the progress callback raises, to stop a job."""
        self.compared += compared
        self.uncovered += uncovered
        self.progress(compared + uncovered)


Check = Callable[[Tally], Iterator[str]]  # yields a sentence for each difference
_checks: list[Check] = []


def register(check: Check) -> None:
    """Register a check. Called by the AppConfig of the room that has the rows."""
    _checks.append(check)


def check_facts(tally: Tally) -> Iterator[str]:
    """Yield a sentence for each difference, at most a hundred and one per check."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            # One snapshot: a run that ends meanwhile must not look changed.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for check in _checks:
            sentences = check(tally)
            yield from islice(sentences, _NAMED_MAX)
            if more := sum(1 for _ in sentences):
                yield f"… and {more} more like the last one."


def _differences(entry: AuditEntry, stored: Mapping[str, Any]) -> Iterator[str]:
    """Yield each fact that is not as the entry recorded it, as the rest of a sentence.

    Args:
        entry: its `detail` has the facts by name. Others than those in `stored`, which
            an older or newer release may have recorded, are ignored.
        stored: the facts now, as JSON; masked here as `record_entry` masked them.
    """
    found: Any = masked(dict(stored))
    for name, recorded in as_dict(entry.detail).items():
        value = found.get(name)
        if name in found and value != recorded:
            yield (
                f"{name.replace('_', ' ')} is {_shown(value)}, but audit entry"
                f" {entry.pk} recorded {_shown(recorded)}"
            )


def compare_entries(
    tally: Tally,
    key: str,
    verbs: Iterable[AuditEntry.Verb],
    facts_of: Callable[[Collection[int]], Mapping[int, Mapping[str, Any]]],
) -> Iterator[str]:
    """Yield a sentence for each row that is not as its entry recorded it, or is gone.

    Args:
        tally: Counts the entries.
        key: Of the row's primary key in the detail of an entry.
        verbs: Those of the entries.
        facts_of: Returns the facts of the rows with these primary keys, as JSON.
    """
    for entries in _batches(verbs):
        numbers = [number_in(entry, key) for entry in entries]
        stored = facts_of([number for number in numbers if number is not None])
        for entry, number in zip(entries, numbers, strict=True):
            if number is None or number not in stored:
                yield (
                    f"The {entry.target} of project {entry.project_pk}, recorded by"
                    f" audit entry {entry.pk}, was deleted."
                )
                continue
            for difference in _differences(entry, stored[number]):
                yield f"{entry.target}, project {entry.project_pk}: {difference}."
        tally.add(len(entries))


def _batches(verbs: Iterable[AuditEntry.Verb]) -> Iterator[list[AuditEntry]]:
    last = 0
    entries = AuditEntry.objects.filter(verb__in=verbs).order_by("pk")
    while batch := list(entries.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1].pk


def number_in(entry: AuditEntry, key: str) -> int | None:
    """Return the primary key that the entry's detail has under `key`, if it has one."""
    return as_id(as_dict(entry.detail).get(key))


def unrecorded(rows: QuerySet[Any], key: str, *verbs: AuditEntry.Verb) -> QuerySet[Any]:
    """Keep the rows that no entry with these verbs names under `key` of its detail."""
    number = Func(OuterRef("pk"), function="to_jsonb", output_field=JSONField())
    entries = AuditEntry.objects.filter(verb__in=verbs, **{f"detail__{key}": number})
    return rows.exclude(Exists(entries)).order_by("pk")


def kept_since(table: str) -> datetime | None:
    """Return the end of the last month that retention removed; None = all are kept."""
    dropped = DroppedPartition.objects.filter(table=table)
    until = dropped.aggregate(until=Max("until_id"))["until"]
    return moment_of(until) if until else None


def _shown(value: object) -> str:
    text = repr(value)
    cut = text[:_SHOWN_CHARACTERS]
    return cut if cut == text else f"{cut}…"
