"""Processes an inbox: applies waiting events, opens a run if the policy says so."""

from functools import cache, partial

import structlog
from django.utils import timezone

from lsml.observability import tracing
from lsml.registry.model_class import describe_model
from lsml.registry.models import Project
from lsml.training.errors import AlreadyTraining
from lsml.training.inbox.causes import requests_to_apply
from lsml.training.inbox.events import apply_waiting
from lsml.training.inbox.payloads import fetch_missing_payloads
from lsml.training.inbox.policy import due
from lsml.training.inbox.waiting import waiting_of
from lsml.training.models import TrainingRun
from lsml.training.runs import open_run

log = structlog.get_logger(__name__)


def process_waiting_events(project_id: int) -> TrainingRun | None:
    """Bring the dataset up to date, and open a run if the policy says so."""
    project = Project.objects.filter(pk=project_id).first()
    if project is None:
        return None  # deleted since the message was sent
    requests = cache(partial(requests_to_apply, project_id))  # for traces only
    with tracing.work("apply events", cause=lambda: "".join(requests()[-1:])):
        tracing.link(requests)
        return _process(project)


def _process(project: Project) -> TrainingRun | None:
    fetch_missing_payloads(project)
    apply_waiting(project)
    if project.runs.filter(state__in=TrainingRun.ACTIVE).exists():
        return None  # the waiting events are for the next run
    trigger = due(project, waiting_of(project), now=timezone.now())
    if trigger is None or not _model_learns():
        return None
    try:
        return open_run(
            project=project, trigger=trigger, requested_by=_requested_by(trigger)
        )
    except AlreadyTraining:
        return None  # another worker opened one first


def _requested_by(trigger: str) -> str:
    from_label_studio = trigger == TrainingRun.Trigger.START_TRAINING
    return "label studio" if from_label_studio else "policy"


def _model_learns() -> bool:
    """Whether the model has `train` or `fit`; if not, its events wait.

    Code that cannot be loaded counts as yes: the run then fails and shows the reason.
    """
    try:
        return describe_model().learns
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything
        log.warning("the model cannot be described", error=str(error))
        return True
