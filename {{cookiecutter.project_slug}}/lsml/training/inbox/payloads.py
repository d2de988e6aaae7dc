"""Fetches from Label Studio the payloads that webhooks came without."""

import threading
import time

import structlog

from lsml.audit.models import WebhookEvent
from lsml.dataset.sync import Report, catch_up
from lsml.labelstudio.failures import LabelStudioError
from lsml.labelstudio.webhooks import DATASET_ACTIONS, TASKS_DELETED
from lsml.registry.label_studio import (
    SETTINGS_NEEDED,
    configured_label_studio,
    is_label_studio_configured,
)
from lsml.registry.models import Project
from lsml.training.models import InboxEntry, TrainingRun

log = structlog.get_logger(__name__)

# The sweeper wakes a worker every few seconds. A Label Studio that is down gets fewer
# requests.
PAUSE_AFTER_FAILURE_S = 30.0

_TRAINABLE = ("annotations added", "annotations changed", "annotations restored")
_SUBJECTS = ["annotation", "annotations", "task", "tasks"]
_not_before = 0.0  # monotonic seconds
_one_at_a_time = threading.Lock()


def fetch_missing_payloads(project: Project) -> None:
    """Bring the dataset up to date for events that came without their payload.

    Without credentials nothing can be fetched: the events count as complete, and the
    log of the run that takes them has a warning. While Label Studio does not answer,
    the events wait.
    """
    entries = InboxEntry.objects.filter(project=project, payload_missing=True)
    events = dict(entries.values_list("event_id", "action"))
    if not events:
        return
    if not is_label_studio_configured():
        log.warning("event without payload, and no credentials", project=project.pk)
        _mark_fetched(list(events), annotations=len(events))
        return
    report = _fetch(project, everything=TASKS_DELETED in events.values())
    if report is not None:
        learnable = sum(report.differences[what] for what in _TRAINABLE)
        _mark_fetched(list(events), annotations=learnable)


def missing_payload_warning(run: TrainingRun) -> str:
    """Return a warning for the log of a run whose events lack payloads, or ""."""
    if is_label_studio_configured():
        return ""
    events = WebhookEvent.objects.filter(
        pk__in=list(run.events.values_list("event_id", flat=True)),
        action__in=DATASET_ACTIONS,
    )
    silent = events.exclude(payload__has_any_keys=_SUBJECTS).count()
    if not silent:
        return ""
    return (
        f"{silent} of the events came without payload, and {SETTINGS_NEEDED}"
        " are not set, so their annotations are not trained on. Set both and run"
        " `manage.py sync`, or switch the webhook's payload on."
    )


def _fetch(project: Project, *, everything: bool) -> Report | None:
    global _not_before  # noqa: PLW0603 - one pause per process
    with _one_at_a_time:
        if time.monotonic() < _not_before:
            return None
        try:
            studio = configured_label_studio()
            if studio is None:
                return None
            return catch_up(studio=studio, project=project, everything=everything)
        except LabelStudioError as error:
            _not_before = time.monotonic() + PAUSE_AFTER_FAILURE_S
            log.warning("label studio does not answer", why=str(error))
            return None


def _mark_fetched(event_ids: list[int], *, annotations: int) -> None:
    """Credit all annotations found to the first entry: policies count the sum."""
    first, *others = sorted(event_ids)
    InboxEntry.objects.filter(event_id__in=others).update(
        payload_missing=False, annotations=0
    )
    InboxEntry.objects.filter(event_id=first).update(
        payload_missing=False, annotations=annotations
    )
