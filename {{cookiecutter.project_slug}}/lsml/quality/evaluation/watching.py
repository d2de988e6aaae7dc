"""Watches the versions that must pass in shadow, in a worker: ADR 57."""

from typing import Final
from uuid import uuid4

import structlog
from django.db import transaction
from django.utils import timezone

from lsml.observability.origin import Origin
from lsml.quality.evaluation.candidates import give_up, leave
from lsml.quality.evaluation.in_shadow import tasks_to_compare
from lsml.quality.evaluation.jobs import (
    start_evaluation,
    start_in_shadow,
    why_given_up,
)
from lsml.quality.evaluation.models import Evaluation
from lsml.registry.models import POLICY, Project
from lsml.registry.promotion_policy import may_promote

log = structlog.get_logger(__name__)

_NOT_FOR_POLICY: Final = "the promotion policy does not decide about it any more"


def watch_candidates() -> None:
    """Start the evaluations of the candidates that can be judged now."""
    candidates = Evaluation.objects.filter(in_shadow_until__isnull=False)
    others = ("project", "version", "compared_with")
    short = candidates.defer("report", "log", "task_scores")
    for candidate in short.select_related(*others).order_by("pk"):
        try:
            _watch(candidate)
        except Exception:  # must not stop the others
            log.exception("candidate was not checked", evaluation=candidate.pk)


def _watch(candidate: Evaluation) -> None:
    """Start its evaluation if it is due, or end what the policy no longer asks for."""
    version = candidate.version
    due = _is_due(candidate)  # before the lock: promotions wait for that
    with transaction.atomic():
        project = Project.objects.select_for_update(no_key=True).get(
            pk=candidate.project_id
        )
        if not version.evaluations.filter(
            pk=candidate.pk, in_shadow_until__isnull=False
        ).exists():
            return  # decided meanwhile
        origin = Origin(request_id=f"candidate-{uuid4().hex}", client="worker")
        if not may_promote(project, version):
            leave(version, project, reason=_NOT_FOR_POLICY, origin=origin)
        elif again := _why_again(candidate, project):
            # If one is active, that may fail: the candidate stays until it has ended.
            if start_evaluation(version, actor=POLICY):
                leave(version, project, reason=again, origin=origin)
        elif due and (why := why_given_up(candidate)):
            give_up(candidate, project, why=why)
        elif due:
            start_in_shadow(candidate)


def _is_due(candidate: Evaluation) -> bool:
    """Whether it can be judged, or cannot get any further."""
    project, needed = candidate.project, candidate.project.gate_shadow_tasks
    if (
        candidate.in_shadow_until is None
        or candidate.in_shadow_until <= timezone.now()
        or project.shadow_version_id != candidate.version_id
    ):
        return True
    found = tasks_to_compare(
        project, candidate.version, candidate.compared_with, at_least=needed
    )
    return len(found) >= needed


def _why_again(candidate: Evaluation, project: Project) -> str:
    """Say why the version must be compared on held-out tasks again; "" = not."""
    if candidate.compared_with_id != project.active_version_id:
        return f"{project.served_version} is served by now: it is compared with that"
    if not project.gate_shadow_tasks:
        return "the policy no longer asks for it: it is evaluated again"
    return ""
