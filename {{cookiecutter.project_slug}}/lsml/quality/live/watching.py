"""Watches live agreement for drops, in a worker: `statistics/sequential.py`.

Each annotation is seen once, soon after it was applied. What it becomes later changes
the sums, but not what the test has seen. Annotations of those who saw no prediction do
not count: their agreement is lower, so more of them would look like a drop.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, cast

import structlog
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from lsml.dataset.figures import percent
from lsml.dataset.models import LiveAgreement
from lsml.quality.live.models import AgreementWatch
from lsml.quality.statistics.sequential import DropDetector
from lsml.registry.models import Project
from lsml.registry.versions import served_by_project

log = structlog.get_logger(__name__)

ANNOTATIONS_MAX: Final = 5_000  # in one round; what is left comes next
_LOCK: Final = 0x6C736D6C_64726F70  # "lsmldrop"


@dataclass(frozen=True, slots=True)
class Drop:
    """Live agreement of a served version is below its usual level."""

    project: Project
    version: str
    usual: float  # 0 to 1
    level: float  # mean since then
    annotations: int  # since then
    since: datetime  # about when it began
    reported_at: datetime

    def __str__(self) -> str:
        return (
            f"Live agreement of {self.version} fell from"
            f" {percent(self.usual, self.annotations)} to"
            f" {percent(self.level, self.annotations)}, on {self.annotations}"
            f" annotations since {self.since:%Y-%m-%d}."
        )


def drops(project: Project | None = None) -> list[Drop]:
    """Return the current drops of served versions; of one project, or of all."""
    watches = AgreementWatch.objects.annotate(served=served_by_project()).filter(
        dropped_at__isnull=False, project__archived_at=None, model_version=F("served")
    )
    if project is not None:
        watches = watches.filter(project=project)
    return [_drop(each) for each in watches.select_related("project").order_by("pk")]


def watch_agreement() -> None:
    """Update the tests with annotations that they have not seen, and log new drops."""
    for watch in _watch_new():
        drop = _drop(watch)
        log.warning(
            "live agreement dropped",
            project=str(watch.project.key),
            version=drop.version,
            usual=round(drop.usual, 4),
            level=round(drop.level, 4),
            since=drop.since.isoformat(),
        )


@transaction.atomic
def _watch_new() -> list[AgreementWatch]:
    """Return the tests that have just found a drop."""
    if not _alone():
        return []
    rows = LiveAgreement.objects.filter(watched=False).order_by("pk")
    # Not those that an event is just changing: they are seen in the next round.
    taken = list(rows.select_for_update(skip_locked=True)[:ANNOTATIONS_MAX])
    by_version: defaultdict[tuple[int, str], list[LiveAgreement]] = defaultdict(list)
    shown = (row for row in taken if not row.withheld)
    for row in sorted(shown, key=lambda row: (row.at, row.pk)):
        by_version[row.project_id, row.model_version].append(row)
    dropped = []
    for (project_id, version), annotations in by_version.items():
        watch, _ = AgreementWatch.objects.select_related("project").get_or_create(
            project_id=project_id, model_version=version
        )
        before = watch.dropped_at
        _update(watch, annotations)
        watch.save()
        if watch.dropped_at and not before:
            dropped.append(watch)
    LiveAgreement.objects.filter(pk__in=[row.pk for row in taken]).update(watched=True)
    return dropped


def _update(watch: AgreementWatch, annotations: Sequence[LiveAgreement]) -> None:
    detector = DropDetector(**watch.detector)
    for annotation in annotations:
        detector = detector.update([annotation.value])
        if detector.since <= 1:
            watch.falling_since = annotation.at if detector.since else None
    watch.detector = asdict(detector)
    if not detector.dropped:
        watch.dropped_at = None
    elif watch.dropped_at is None:
        watch.dropped_at = timezone.now()


def _alone() -> bool:
    """Return whether no other worker watches; until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def _drop(watch: AgreementWatch) -> Drop:
    detector = DropDetector(**watch.detector)
    return Drop(
        watch.project,
        watch.model_version,
        detector.reference,
        cast("float", detector.level),  # this and the dates are set while it lasts
        detector.since,
        cast("datetime", watch.falling_since),
        cast("datetime", watch.dropped_at),
    )
