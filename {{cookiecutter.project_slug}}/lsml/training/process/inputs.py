"""The inputs of a run: its events, each taken once, and the dataset."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from label_studio_ml.hosting import ModelClass, fit_calls
from label_studio_ml.training import AnnotatedTask
from lsml.dataset.services import writing
from lsml.dataset.snapshots import take_snapshot
from lsml.jobs.database import retry_while_database_is_down
from lsml.jobs.errors import Overtaken
from lsml.jobs.states import State
from lsml.labelstudio.webhooks import (
    ANNOTATIONS_WRITTEN,
    START_TRAINING,
    WebhookRequest,
)
from lsml.registry.models import Project
from lsml.training.inbox.events import events_in_order, take_events
from lsml.training.inbox.payloads import missing_payload_warning
from lsml.training.models import InboxEntry, TrainingRun

# When an annotation reaches Label Studio's threshold, START_TRAINING arrives a few
# milliseconds before that annotation. The run should train on it as well.
_SETTLE_S = 1.0
_EVENTS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """The inputs of one run."""

    project: Project
    tasks: list[AnnotatedTask]
    event_ids: list[int]  # in the order they were received
    warning: str = ""  # about missing payloads, for the run's log


def take_inputs(*, run_id: int, fence: int) -> TrainingInputs:
    """Take the waiting events, bring the dataset up to date, and read it.

    One transaction, so that the snapshot holds exactly the events that the run took.

    Raises:
        Overtaken: Another worker has the run.
    """
    return retry_while_database_is_down(lambda: _take_inputs(run_id, fence))


def _take_inputs(run_id: int, fence: int) -> TrainingInputs:
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
        contents = take_snapshot(run.project)
        TrainingRun.objects.filter(pk=run.pk).update(snapshot=contents.snapshot)
        event_ids = run.events.order_by("event_id").values_list("event_id", flat=True)
        return TrainingInputs(
            run.project, contents.tasks, list(event_ids), missing_payload_warning(run)
        )


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

    An event that `fit` does not handle, or that has no payload, yields an empty list.
    """
    ids = inputs.event_ids
    for start in range(0, len(ids), _EVENTS_AT_ONCE):
        events = retry_while_database_is_down(
            partial(events_in_order, ids[start : start + _EVENTS_AT_ONCE])
        )
        for event in events:
            if WebhookRequest.parse(event.payload).lacks_payload:
                yield event.pk, []
            else:
                calls = fit_calls(model_class, event.action, event.payload)
                yield event.pk, list(calls)
