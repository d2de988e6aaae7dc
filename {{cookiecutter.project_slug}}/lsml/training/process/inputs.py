"""The inputs of a run: its events, each taken once, and the dataset."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from label_studio_ml.hosting import ModelClass, fit_calls
from label_studio_ml.training import AnnotatedTask
from lsml.dataset.holdout import is_held_out
from lsml.dataset.models import Snapshot
from lsml.dataset.services import writing
from lsml.dataset.snapshots import take_snapshot, trained_on
from lsml.jobs.database import retry_while_database_is_down
from lsml.jobs.errors import Overtaken
from lsml.jobs.states import State
from lsml.labelstudio.webhooks import (
    ANNOTATIONS_WRITTEN,
    START_TRAINING,
    WebhookRequest,
    without_tasks,
)
from lsml.registry.models import ModelVersion, Project
from lsml.training.inbox.events import events_in_order, take_events
from lsml.training.inbox.payloads import missing_payload_warning
from lsml.training.models import InboxEntry, TrainingRun

# When an annotation reaches Label Studio's threshold, START_TRAINING arrives a few
# milliseconds before that annotation. The run should train on it as well.
_SETTLE_S = 1.0
_EVENTS_AT_ONCE = 100
Trigger = TrainingRun.Trigger


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """The inputs of one run."""

    project: Project
    tasks: list[AnnotatedTask]
    event_ids: list[int]  # in the order they were received
    warning: str = ""  # about missing payloads, for the run's log
    held_out: list[AnnotatedTask] = field(default_factory=list)
    holdout_percent: int = 0  # that the snapshot holds out
    # The last version, if it was trained on these annotations and nobody requested
    # another training on them.
    unchanged_since: ModelVersion | None = None


def take_inputs(*, run_id: int, fence: int, by_fit: bool = False) -> TrainingInputs:
    """Take the waiting events, bring the dataset up to date, and read it.

    One transaction, so that the snapshot holds exactly the events that the run took.

    Args:
        run_id: The run.
        fence: Of this attempt.
        by_fit: Whether the model has only a legacy `fit`. It gets every event, unless
            the project's policy says that the hold-out applies to it as well.

    Raises:
        Overtaken: Another worker has the run.
    """
    return retry_while_database_is_down(lambda: _take_inputs(run_id, fence, by_fit))


def _take_inputs(run_id: int, fence: int, by_fit: bool) -> TrainingInputs:
    project_id = TrainingRun.objects.values_list("project_id", flat=True).get(pk=run_id)
    _let_settle(project_id)
    with writing(project_id):
        run = (
            TrainingRun.objects.select_related("project__active_version")
            .filter(pk=run_id, fence=fence, state=State.RUNNING)
            .first()
        )
        if run is None:
            raise Overtaken(f"Run {run_id}")
        take_events(run)
        contents = take_snapshot(
            run.project, hold_out=not by_fit or run.project.holdout_fit
        )
        snapshot = contents.snapshot
        TrainingRun.objects.filter(pk=run.pk).update(snapshot=snapshot)
        event_ids = run.events.order_by("event_id").values_list("event_id", flat=True)
        return TrainingInputs(
            run.project,
            contents.tasks,
            list(event_ids),
            missing_payload_warning(run),
            held_out=contents.held_out,
            holdout_percent=snapshot.holdout_percent,
            unchanged_since=_unchanged_since(run, snapshot),
        )


def _unchanged_since(run: TrainingRun, snapshot: Snapshot) -> ModelVersion | None:
    # Label Studio's button, without new annotations, is a request to train again.
    if run.trigger not in (Trigger.ANNOTATIONS, Trigger.START_TRAINING) or not (
        run.events.filter(annotations__gt=0).exists()
    ):
        return None
    last = run.project.versions.order_by("-number").first()
    if last is None:
        return None
    before = run.project.snapshots.filter(digest=last.snapshot_digest).first()
    same = before is not None and trained_on(before) == trained_on(snapshot)
    return last if same else None


def _let_settle(project_id: int) -> None:
    entries = InboxEntry.objects.filter(project_id=project_id)
    training_request = entries.filter(action=START_TRAINING, held=False).order_by(
        "-event_id"
    )
    while newest := training_request.first():
        followed = entries.filter(
            action__in=ANNOTATIONS_WRITTEN, event_id__gt=newest.event_id
        )
        settled_at = newest.received_at + timedelta(seconds=_SETTLE_S)
        if timezone.now() >= settled_at or followed.exists():
            return
        time.sleep(0.05)


def fit_arguments(
    model_class: ModelClass, inputs: TrainingInputs
) -> Iterator[tuple[int, list[tuple[str, dict[str, Any]]]]]:
    """Yield each event's id, and the (event, data) pairs to call `fit` with.

    An event that `fit` does not handle, that has no payload, or that is about held-out
    tasks only, yields an empty list.
    """
    ids = inputs.event_ids
    is_left_out = partial(
        is_held_out, inputs.project.pk, percent=inputs.holdout_percent
    )
    for start in range(0, len(ids), _EVENTS_AT_ONCE):
        events = retry_while_database_is_down(
            partial(events_in_order, ids[start : start + _EVENTS_AT_ONCE])
        )
        for event in events:
            payload = without_tasks(event.payload, is_left_out)
            if payload is None or WebhookRequest.parse(payload).lacks_payload:
                yield event.pk, []
            else:
                yield event.pk, list(fit_calls(model_class, event.action, payload))
