"""Adds what failed to its groups, in a worker, from sealed rows of the audit log.

Each failure is counted once, whatever is interrupted or runs twice.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from lsml.audit.newest import NewRows, next_rows
from lsml.quality.error_groups.models import ErrorGroup, ErrorPosition
from lsml.quality.error_groups.pattern import READ_MAX, pattern_of
from lsml.registry.models import Project

GROUPS_MAX: Final = 200  # of a project; those seen last are kept
VERSIONS_MAX: Final = 10  # of a group
KEPT: Final = timedelta(days=90)  # since a group was seen last
_BATCHES_MAX: Final = 20  # in one round; what is left comes next


@dataclass(frozen=True, slots=True)
class _Source:
    """Where failures are recorded.

    `query` returns project, version, error, number, first and last time, and the key of
    the latest, in order of the last time. Both tables have an index with which only the
    failures are read.
    """

    table: str
    query: str


_SOURCES: Final = {
    ErrorGroup.Source.PREDICTION: _Source(
        "audit_prediction",
        "SELECT project_pk, model_version, left(error, %(read_max)s) AS message,"
        " count(*), min(created_at), max(created_at), max(id)"
        " FROM audit_prediction WHERE {condition}"
        " AND outcome = 'error' AND project_pk IS NOT NULL"
        " GROUP BY project_pk, model_version, message ORDER BY max(created_at)",
    ),
    ErrorGroup.Source.RUN: _Source(
        "audit_auditentry",
        "SELECT project_pk, '', left(detail->>'error', %(read_max)s) AS message,"
        " count(*), min(at), max(at), max((detail->>'run')::bigint)"
        " FROM audit_auditentry WHERE {condition}"
        " AND verb = 'training failed' AND project_pk IS NOT NULL"
        " GROUP BY project_pk, message ORDER BY max(at)",
    ),
}


def group_errors() -> None:
    """Group what has failed since the last call, and remove old groups."""
    for source in ErrorGroup.Source:
        for _ in range(_BATCHES_MAX):
            if not _group_next(source):
                break
    _prune(timezone.now())


def _group_next(source: ErrorGroup.Source) -> bool:
    """Group the failures of the next sealed rows; return False if there are none."""
    position, _ = ErrorPosition.objects.get_or_create(source=source)
    new = next_rows(_SOURCES[source].table, position.seal_number)
    if new is None:
        return False
    found = _grouped(source, new)
    with transaction.atomic():
        unchanged = ErrorPosition.objects.filter(
            source=source, seal_number=position.seal_number
        )
        if unchanged.update(seal_number=new.position):
            _add(source, found)
        # Else another worker has grouped these rows meanwhile.
    return True


def _grouped(source: ErrorGroup.Source, new: NewRows) -> list[ErrorGroup]:
    """Return unsaved groups of the new rows, at most GROUPS_MAX for each project."""
    table = _SOURCES[source]
    with connection.cursor() as cursor:
        query = table.query.format(condition=new.condition)
        cursor.execute(query, {"read_max": READ_MAX})
        rows = cursor.fetchall()
    known = set(
        Project.objects.filter(pk__in={row[0] for row in rows}).values_list(
            "pk", flat=True
        )
    )
    groups: dict[tuple[int, str], ErrorGroup] = {}
    for project_pk, version, error, count, first, last, example in rows:
        if project_pk not in known:
            continue
        group = ErrorGroup(
            project_id=project_pk,
            source=source,
            pattern=pattern_of(error or ""),
            count=count,
            versions=[version] if version else [],
            first_seen_at=first,
            last_seen_at=last,
            example_id=example,
        )
        key = project_pk, group.pattern
        groups[key] = _merged(groups[key], group) if key in groups else group
    return _latest(groups.values())


def _latest(groups: Iterable[ErrorGroup]) -> list[ErrorGroup]:
    by_project: defaultdict[int, list[ErrorGroup]] = defaultdict(list)
    for group in sorted(groups, key=lambda each: each.last_seen_at, reverse=True):
        by_project[group.project_id].append(group)
    return [each for some in by_project.values() for each in some[:GROUPS_MAX]]


def _merged(one: ErrorGroup, other: ErrorGroup) -> ErrorGroup:
    """Add the failures of one group to another, and return it."""
    earlier, later = sorted((one, other), key=lambda each: each.last_seen_at)
    before = [each for each in earlier.versions if each not in later.versions]
    one.versions = [*before, *later.versions][-VERSIONS_MAX:]
    one.count += other.count
    one.first_seen_at = min(one.first_seen_at, other.first_seen_at)
    one.last_seen_at, one.example_id = later.last_seen_at, later.example_id
    return one


def _add(source: ErrorGroup.Source, found: Iterable[ErrorGroup]) -> None:
    """Add to the groups that are there, inside the transaction of the position."""
    found = list(found)
    known = {
        (row.project_id, row.pattern): row
        for row in ErrorGroup.objects.filter(
            source=source,
            project__in={each.project_id for each in found},
            pattern__in={each.pattern for each in found},
        )
    }
    for each in found:
        row = known.get((each.project_id, each.pattern))
        (_merged(row, each) if row else each).save()


def _prune(now: datetime) -> None:
    """Remove groups that were not seen for long, and those beyond GROUPS_MAX."""
    ErrorGroup.objects.filter(last_seen_at__lt=now - KEPT).delete()
    place = Window(
        RowNumber(),
        partition_by="project",
        order_by=[F("last_seen_at").desc(), F("pk").desc()],
    )
    beyond = ErrorGroup.objects.annotate(place=place).filter(place__gt=GROUPS_MAX)
    ErrorGroup.objects.filter(pk__in=beyond.values("pk")).delete()
