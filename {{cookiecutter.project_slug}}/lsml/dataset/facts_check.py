"""Compares snapshots and annotations with the audit log: part of `audit verify`.

What a version trained on is recorded by the digest of its snapshot, in the audit entry
of its creation. What arrived later is in the webhook events.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

from lsml.audit.facts import BATCH, Tally, kept_since
from lsml.audit.models import AuditEntry, WebhookEvent
from lsml.dataset.events import Changes, ReceivedEvent, changes_in
from lsml.dataset.models import Annotation, Snapshot, Sync
from lsml.dataset.snapshots import (
    annotation_digest,
    held_out_of,
    snapshot_digest,
    trained_on,
)
from lsml.dataset.tables import ANNOTATIONS
from lsml.labelstudio.errors import WireError
from lsml.labelstudio.reading import as_dict
from lsml.labelstudio.webhooks import DATASET_ACTIONS, WebhookRequest
from lsml.registry.models import Project

_State = tuple[datetime, bytes]  # when an annotation was updated, and its digest
_CLOCKS_DIFFER = timedelta(minutes=5)  # those of workers and of PostgreSQL, at most


def check_snapshots(tally: Tally) -> Iterator[str]:
    """Yield the snapshots whose digest is not that of their annotations."""
    for snapshot in Snapshot.objects.order_by("pk").iterator(chunk_size=1):
        tally.add(1)
        trained, held_out = trained_on(snapshot), held_out_of(snapshot)
        digest = snapshot_digest(trained, held_out, snapshot.holdout_percent)
        complete = trained.complete and held_out.complete
        if not complete or snapshot.digest != digest:
            yield (
                f"Snapshot {snapshot.pk} of project {snapshot.project_id} was changed:"
                " its digest is not that of its annotations."
            )


def check_annotations(tally: Tally) -> Iterator[str]:
    """Yield the annotations that are not as a version saw them or an event sent them.

    Without an event, a sync or an event of several tasks may have written them. Then
    nothing sealed says what they should be, and they are only counted.
    """
    for project in Project.objects.only("pk").order_by("pk"):
        seen = _Seen.by_last_version(project)
        yield from _check_present(project, seen, tally)
        for annotation_id in sorted(seen.states):
            yield (
                f"Annotation {annotation_id} of project {project.pk} was deleted from"
                " the dataset; the snapshot of the last version has it."
            )


@dataclass(slots=True)
class _Seen:
    """The annotations in the snapshot of a project's last version, held out or not."""

    states: dict[int, _State] = field(default_factory=dict)  # by Label Studio's ID
    at: datetime | None = None

    @classmethod
    def by_last_version(cls, project: Project) -> "_Seen":
        created = AuditEntry.objects.filter(
            project_pk=project.pk, verb=AuditEntry.Verb.VERSION_CREATED
        )
        for entry in created.order_by("-pk")[:BATCH]:
            digest = as_dict(entry.detail).get("snapshot_digest")
            snapshot = Snapshot.objects.filter(project=project, digest=digest).first()
            if snapshot is not None:
                return cls(_states(snapshot), snapshot.created_at)
        return cls()


def _states(snapshot: Snapshot) -> dict[int, _State]:
    return {
        annotation_id: (updated_at, digest)
        for annotation_id, updated_at, digest in chain(
            trained_on(snapshot), held_out_of(snapshot)
        )
    }


def _check_present(project: Project, seen: _Seen, tally: Tally) -> Iterator[str]:
    """Check the annotations of a project, and remove them from `seen`."""
    rows = Annotation.objects.filter(project=project).order_by("annotation_id")
    last = -1
    while batch := list(rows.filter(annotation_id__gt=last)[:BATCH]):
        last = batch[-1].annotation_id
        states = {row: _state(row) for row in batch}
        seen_in = {row: seen.states.pop(row.annotation_id, None) for row in batch}
        others = [row for row in batch if seen_in[row] != states[row] or row.deleted_at]
        sent = _Sent.about(project, {row.task_id for row in others})
        differing = [
            row for row in others if not sent.explains(row, states[row], seen_in[row])
        ]
        # What the version did not see may be as old as the project.
        sources = {
            known: _has_other_sources(project, seen.at if known else None)
            for known in {seen_in[row] is not None for row in differing}
        }
        uncovered = [row for row in differing if sources[seen_in[row] is not None]]
        tally.add(len(batch) - len(uncovered), uncovered=len(uncovered))
        for row in differing:
            if row not in uncovered:
                yield (
                    f"Annotation {row.annotation_id} of project {project.pk} is neither"
                    " what the last version's snapshot has nor what any webhook sent."
                )


def _state(row: Annotation) -> _State:
    return row.updated_at, annotation_digest(ANNOTATIONS.state_of(row))


@dataclass(slots=True)
class _Sent:
    """What webhook events of some tasks say about their annotations."""

    states: dict[int, set[_State]] = field(default_factory=lambda: defaultdict(set))
    deleted: set[int] = field(default_factory=set)  # annotations
    deleted_tasks: set[int] = field(default_factory=set)

    @classmethod
    def about(cls, project: Project, task_ids: set[int | None]) -> "_Sent":
        found = cls()
        events = WebhookEvent.objects.for_project(project.pk).filter(
            task_id__in=task_ids - {None}
        )
        for event in events.iterator(chunk_size=BATCH):
            with suppress(WireError):
                request = WebhookRequest.parse(event.payload)
                found._add(changes_in([ReceivedEvent(request, event.received_at)]))
        return found

    def _add(self, changes: Changes) -> None:
        for number, state in changes.annotations.items():
            self.states[number].add((state.updated_at, annotation_digest(state)))
            if state.deleted_at:
                self.deleted.add(number)
        self.deleted_tasks |= {
            task.task_id for task in changes.tasks.values() if task.deleted_at
        }

    def explains(self, row: Annotation, state: _State, seen: _State | None) -> bool:
        """Whether the events, and what a version saw, explain the state of a row."""
        deleted = row.annotation_id in self.deleted or row.task_id in self.deleted_tasks
        if row.deleted_at and not deleted:
            return False
        return state == seen or state in self.states[row.annotation_id]


def _has_other_sources(project: Project, since: datetime | None) -> bool:
    """Whether anything but an event of one task may have written annotations since."""
    kept = kept_since("audit_webhookevent")
    if kept and (since is None or since < kept):
        return True
    syncs = AuditEntry.objects.filter(
        project_pk=project.pk, verb=AuditEntry.Verb.DATASET_SYNCED
    )
    under_way = Sync.objects.filter(project=project, finished_at__isnull=True)
    of_several_tasks = WebhookEvent.objects.filter(
        project_pk=project.pk, task_id__isnull=True, action__in=DATASET_ACTIONS
    )
    if since is not None:
        since -= _CLOCKS_DIFFER
        syncs, of_several_tasks = syncs.since(since), of_several_tasks.since(since)
    return syncs.exists() or under_way.exists() or of_several_tasks.exists()
