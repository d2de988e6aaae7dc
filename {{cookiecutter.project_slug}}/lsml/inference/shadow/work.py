"""Predicts with the versions in shadow, in the background: ADR 51."""

import time
from datetime import timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import transaction

from lsml.audit.models import Prediction
from lsml.inference.errors import GivenUp, ModelError, ModelNotLoadable
from lsml.inference.models import Shadow, ShadowTask
from lsml.inference.shadow.choosing import choose_tasks, get_or_create_shadow
from lsml.inference.steps import predict_in_steps
from lsml.jobs.row_lease import leased
from lsml.observability.origin import Origin
from lsml.registry.fallback import mark_unloadable
from lsml.registry.models import ModelVersion, Project
from lsml.registry.served import Served
from lsml.registry.shadow import end_shadow

log = structlog.get_logger(__name__)

_ROUND_S: Final = 10.0  # of each version; then the others have their turn
# What people wait for may wait for a step: models can share weights or a processor.
_STEP_S: Final = 0.05
_PAUSE_S: Final = 0.1  # after each step, so that many waiting tasks take no whole core
# Beyond the longest call, which restarts the process of the model.
_LEASE: Final = timedelta(minutes=5)
_State = ShadowTask.State


class _EndOfRound(Exception):
    """The rest waits for the next round."""


def predict_all(origin: Origin) -> None:
    """Let each version in shadow predict what was asked for since the last call."""
    projects = Project.objects.filter(
        shadow_version__state=ModelVersion.State.READY, archived_at=None
    )
    for project in projects.select_related("shadow_version").order_by("pk"):
        try:
            predict(project, origin)
        except Exception:  # must not stop the shadows of other projects
            log.exception("shadow failed", project=str(project.key))


def predict(project: Project, origin: Origin) -> None:
    """Let the project's version in shadow predict; return if another process does."""
    shadow = get_or_create_shadow(project)
    row = Shadow.objects.filter(pk=shadow.pk)
    lease = _LEASE + timedelta(seconds=settings.PREDICT_TIMEOUT_S)
    with leased(row, lease) as is_ours:
        if is_ours:
            shadow.refresh_from_db()
            choose_tasks(project, shadow)
            _predict_waiting(project, shadow, origin)


def _predict_waiting(project: Project, shadow: Shadow, origin: Origin) -> None:
    version = project.shadow_version
    if version is None:
        return
    waiting = _waiting(project, shadow, version)
    until = time.monotonic() + _ROUND_S
    steps = predict_in_steps(
        Served(project.pk, version.version, project.label_config),
        waiting,
        origin=origin,
        on_wait=_end_round,
        step_s=_STEP_S,
    )
    try:
        for part, found in steps:
            failed = isinstance(found, ModelError)
            state = _State.FAILED if failed else _State.PREDICTED
            _settle(shadow, [task["id"] for task in part], state)
            if time.monotonic() > until or not _still_wanted(project):
                return
            time.sleep(_PAUSE_S)
    except _EndOfRound:
        pass
    except (ModelNotLoadable, GivenUp) as error:
        _give_up(project, version, error, origin)


def _waiting(
    project: Project, shadow: Shadow, version: ModelVersion
) -> list[dict[str, Any]]:
    """Return the tasks to predict now, the latest first, as Label Studio sends them."""
    waiting = shadow.tasks.filter(state=_State.WAITING)
    task_ids = list(waiting.order_by("-pk").values_list("task_id", flat=True))
    # A process that was killed may have recorded predictions and not settled them. An
    # evaluation may have predicted the same tasks. An error of several tasks at once
    # says nothing about each.
    rows = Prediction.objects.filter(
        project_pk=project.pk,
        model_version=version.version,
        kind=Prediction.Kind.SHADOW,
        task_id__in=task_ids,
    )
    answered = rows.exclude(outcome=Prediction.Outcome.ERROR)
    predicted = set(answered.values_list("task_id", flat=True))
    alone = rows.filter(outcome=Prediction.Outcome.ERROR, batch_size=1)
    failed = set(alone.values_list("task_id", flat=True)) - predicted
    known = dict(
        project.tasks.known()
        .filter(task_id__in=task_ids)
        .values_list("task_id", "data")
    )
    settled = predicted | failed
    _settle(shadow, predicted, _State.PREDICTED)
    _settle(shadow, failed, _State.FAILED)
    _settle(shadow, set(task_ids) - settled - known.keys(), _State.UNKNOWN)
    return [
        {"id": task_id, "data": known[task_id]}
        for task_id in task_ids
        if task_id in known and task_id not in settled
    ]


def _settle(shadow: Shadow, task_ids: Any, state: ShadowTask.State) -> None:
    if task_ids:
        shadow.tasks.filter(task_id__in=task_ids).update(state=state)


def _end_round() -> None:
    raise _EndOfRound  # the model is busy or away


def _still_wanted(project: Project) -> bool:
    return Project.objects.filter(
        pk=project.pk,
        shadow_version=project.shadow_version,
        shadow_version__state=ModelVersion.State.READY,
        archived_at=None,
    ).exists()


def _give_up(
    project: Project, version: ModelVersion, error: ModelError, origin: Origin
) -> None:
    """End the shadow, unless it is another one by now."""
    with transaction.atomic():
        locked = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        is_served = locked.active_version_id == version.pk  # so it loads, elsewhere
        if isinstance(error, ModelNotLoadable) and not is_served:
            mark_unloadable(version, str(error))
        if locked.shadow_version_id == version.pk:
            end_shadow(locked, actor="worker", reason=str(error), origin=origin)
    log.error("shadow ended", project=str(project.key), error=str(error))
