"""The facts of runs that have ended: recorded then, compared by `audit verify`."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lsml.audit.services import digest_of
from lsml.training.models import RunEvent, TrainingRun

_EVENTS_AT_ONCE = 2_000


@dataclass(slots=True)
class _Events:
    """Number and digest of the events that a run took."""

    number: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


def run_facts(run_ids: Iterable[int]) -> list[dict[str, Any]]:
    """Return what never changes about runs that have ended, as JSON, by number.

    Of large facts it is a digest: for the events SHA-256 (hex) over their numbers in
    ascending order, each followed by a line feed.
    """
    runs = list(
        TrainingRun.objects.select_related("snapshot")
        .defer("log", "snapshot__annotation_ids", "snapshot__annotation_updates")
        .defer("snapshot__annotation_digests", "snapshot__held_out_digests")
        .defer("snapshot__held_out_ids", "snapshot__held_out_updates")
        .filter(pk__in=run_ids)
        .order_by("pk")
    )
    events = _events([run.pk for run in runs])
    return [_facts(run, events[run.pk]) for run in runs]


def _facts(run: TrainingRun, events: _Events) -> dict[str, Any]:
    snapshot = run.snapshot
    return {
        "run": run.pk,
        "project": run.project_id,
        "state": run.state,
        "trigger": run.trigger,
        "requested_by": run.requested_by,
        "attempts": run.attempts,
        "started_at": run.started_at and run.started_at.isoformat(),
        "finished_at": run.finished_at and run.finished_at.isoformat(),
        "error": run.error,
        "metrics": run.metrics,
        "snapshot_digest": snapshot and snapshot.digest,
        "snapshot_tasks": snapshot and snapshot.task_count,
        "snapshot_held_out_tasks": snapshot and snapshot.held_out_task_count,
        "snapshot_labels": snapshot and digest_of(snapshot.label_counts),
        "events": events.number,
        "events_digest": events.digest.hexdigest(),
    }


def _events(run_ids: list[int]) -> dict[int, _Events]:
    found: dict[int, _Events] = defaultdict(_Events)
    taken = RunEvent.objects.filter(run__in=run_ids).order_by("run", "event_id")
    numbers = taken.values_list("run_id", "event_id")
    for run_id, event_id in numbers.iterator(chunk_size=_EVENTS_AT_ONCE):
        found[run_id].number += 1
        found[run_id].digest.update(b"%d\n" % event_id)
    return found
