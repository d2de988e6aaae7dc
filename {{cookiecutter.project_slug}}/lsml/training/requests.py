"""Label Studio's requests about training: job status, the older /train, deletion."""

import re
from typing import Any

from django.utils import timezone

from lsml.dataset.services import writing
from lsml.jobs.services import request_cancel
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.requests import TrainRequest, WebhookRequest
from lsml.labelstudio.task_json import nested_annotations
from lsml.observability.origin import Origin
from lsml.registry.projects import archive_project
from lsml.registry.services import find_project
from lsml.training.inbox.accept import AcceptedEvent, receive
from lsml.training.models import InboxEntry, RunEvent, TrainingRun

_EVENT_ID = re.compile(r"[0-9]{1,18}")  # fits a bigint
_STATUS = {
    TrainingRun.State.QUEUED: "queued",
    TrainingRun.State.LOST: "queued",
    TrainingRun.State.RUNNING: "started",
    TrainingRun.State.SUCCEEDED: "finished",
    TrainingRun.State.FAILED: "failed",
    TrainingRun.State.CANCELLED: "failed",
}


class JobGone(Exception):
    """There is no event with that id, or it was removed."""

    def __init__(self, job: str) -> None:
        super().__init__(f"Training job {job[:50]!r} does not exist, or was removed.")


def job_status(job: str) -> str:
    """Return the state of the training that an event started, in Label Studio's words.

    The job's id is that of the event, because the event exists before any run does.

    Raises:
        JobGone: there is no such job; Label Studio takes the 410 as "removed".

    Source: Label Studio's POST /job_status.
    """
    if not _EVENT_ID.fullmatch(job):
        raise JobGone(job)
    taken = (
        RunEvent.objects.filter(event_id=int(job))
        .select_related("run")
        .order_by("-run_id")
        .first()
    )
    if taken is not None:
        return _STATUS[TrainingRun.State(taken.run.state)]
    if not InboxEntry.objects.filter(event_id=int(job)).exists():
        raise JobGone(job)
    return "queued"


def receive_train(
    *, request: TrainRequest, body: dict[str, Any], digest: str, origin: Origin
) -> AcceptedEvent:
    """Accept an older client's /train: its annotated tasks, then START_TRAINING.

    Two events, because that is what newer clients send; both carry the body's digest.

    Source: Label Studio's POST /train.
    """
    project = None if request.project is None else {"project": str(request.project)}
    if request.tasks:
        annotated = {
            **(project or {}),
            "action": "ANNOTATIONS_CREATED",
            "task": request.tasks,
            "annotation": nested_annotations(request.tasks),
        }
        receive(
            request=WebhookRequest.parse(annotated),
            body=annotated,
            digest=digest,
            origin=origin,
        )
    training_request = {**body, "action": "START_TRAINING", "annotations": None}
    return receive(
        request=WebhookRequest.parse(training_request),
        body=training_request,
        digest=digest,
        origin=origin,
    )


def retire_project(*, key: ProjectKey, origin: Origin) -> None:
    """Stop a project's training and archive its versions; the audit rows stay.

    Raises:
        UnknownProject: there is no such project.

    Source: Label Studio's POST /delete.
    """
    project = find_project(key)
    # Under one lock: no run starts or succeeds between the two.
    with writing(project.pk):
        archive_project(project=project, origin=origin, at=timezone.now())
        active = TrainingRun.objects.filter(
            project=project, state__in=TrainingRun.ACTIVE
        )
        for run in active:
            request_cancel(
                run,
                actor="label studio",
                reason="the project was deleted",
                origin=origin,
            )
        InboxEntry.objects.filter(project=project).update(held=True)
