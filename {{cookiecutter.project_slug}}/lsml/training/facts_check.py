"""Compares runs that have ended with the audit log: part of `audit verify`."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Final

from lsml.audit.facts import (
    BATCH,
    Tally,
    compare_entries,
    kept_since,
    number_in,
    unrecorded,
)
from lsml.audit.models import AuditEntry
from lsml.jobs.outcomes import job_origin
from lsml.training.facts import run_facts
from lsml.training.models import TrainingRun

_ENDED: Final = (
    AuditEntry.Verb.TRAINING_SUCCEEDED,
    AuditEntry.Verb.TRAINING_FAILED,
)


def check_runs(tally: Tally) -> Iterator[str]:
    """Yield the runs that are not as they were when they ended."""
    yield from compare_entries(tally, "run", _ENDED, _facts_of)
    kept = kept_since("audit_auditentry")
    yield from _unrecorded_runs(tally, kept)
    yield from _other_versions(kept)


def _facts_of(numbers: Collection[int]) -> dict[int, dict[str, Any]]:
    return {facts["run"]: facts for facts in run_facts(numbers)}


def _unrecorded_runs(tally: Tally, kept: datetime | None) -> Iterator[str]:
    ended = TrainingRun.objects.filter(
        state__in=[TrainingRun.State.SUCCEEDED, TrainingRun.State.FAILED]
    )
    for run in unrecorded(ended.defer("log"), "run", *_ENDED):
        if _ended_before(run, kept):
            tally.add(0, uncovered=1)
        else:
            yield (
                f"No audit entry records the end of run {run.pk} of project"
                f" {run.project_id}, which is {run.state}."
            )


def _other_versions(kept: datetime | None) -> Iterator[str]:
    """Yield the runs that name another version than they created.

    The entry of a version and its run share a request id.
    """
    runs = TrainingRun.objects.defer("log").order_by("pk")
    last = 0
    while batch := list(runs.filter(pk__gt=last)[:BATCH]):
        last = batch[-1].pk
        created = _created_by(batch)
        for run in batch:
            version = created.get(job_origin(run).request_id)
            if version != run.version_id and (version or not _ended_before(run, kept)):
                yield (
                    f"Run {run.pk} of project {run.project_id} names version"
                    f" {run.version_id} (primary key), but the audit log says that it"
                    f" created {version}."
                )


def _created_by(runs: list[TrainingRun]) -> dict[str, int | None]:
    """Return the primary keys of versions, by the request id of their run."""
    entries = AuditEntry.objects.filter(
        verb=AuditEntry.Verb.VERSION_CREATED,
        request_id__in=[job_origin(run).request_id for run in runs],
    )
    return {entry.request_id: number_in(entry, "version") for entry in entries}


def _ended_before(run: TrainingRun, kept: datetime | None) -> bool:
    """Whether retention has removed the entries of the time when the run ended."""
    if kept is None:
        return False
    return run.finished_at is None or run.finished_at < kept
