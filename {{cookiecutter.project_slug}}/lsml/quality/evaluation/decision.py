"""Applies a project's promotion policy to an evaluation that has ended."""

from typing import Final

from django.db import transaction

from lsml.jobs.outcomes import job_origin
from lsml.quality.evaluation.candidates import (
    enter,
    hold_back_if_unfinished,
    leave,
)
from lsml.quality.evaluation.models import Evaluation
from lsml.registry.errors import NotPromotable, ShadowRefused
from lsml.registry.models import POLICY, Project
from lsml.registry.promotion_policy import COMPARING, may_promote
from lsml.registry.services import promote

_SHADOW: Final = Evaluation.ComparedOn.SHADOW
_AGAIN: Final = "the served version or the policy changed: compared once more"
_DECIDED: Final = ["policy", "verdict", "reason", "promoted", "in_shadow_until"]


def decide(evaluation: Evaluation) -> bool:
    """Promote the version, or hold it back. Called in the transaction of its end.

    Returns:
        Whether that was decided. If not, another version is served by now, or the
        policy has changed: it must be compared once more, on held-out tasks.
    """
    # The lock keeps others from promoting meanwhile.
    project = Project.objects.select_for_update(no_key=True).get(
        pk=evaluation.project_id
    )
    version = evaluation.version
    evaluation.policy = project.promotion_policy
    decided = True
    if may_promote(project, version):
        decided = _is_current(evaluation, project)
        if decided:
            _apply(evaluation, project)
    if not decided or evaluation.promoted or _is_held_back(evaluation):
        reason = evaluation.reason if decided else _AGAIN
        leave(version, project, reason=reason, origin=job_origin(evaluation))
    evaluation.save(update_fields=_DECIDED)
    if decided and evaluation.policy in COMPARING:
        held_back = _is_held_back(evaluation)
        version.held_back = evaluation.reason if held_back else ""
        version.save(update_fields=["held_back"])
    return decided


def _is_current(evaluation: Evaluation, project: Project) -> bool:
    """Whether the policy still asks for this comparison."""
    if evaluation.compared_on == _SHADOW and not project.gate_shadow_tasks:
        return False
    return evaluation.compared_with_id == project.active_version_id


def _apply(evaluation: Evaluation, project: Project) -> None:
    """Promote the version if it passed, or have it pass in shadow first."""
    in_shadow = evaluation.compared_on == _SHADOW
    if in_shadow:
        hold_back_if_unfinished(evaluation, project)
    if not _passes(evaluation):
        return
    try:
        with transaction.atomic():
            if project.gate_shadow_tasks and not in_shadow:
                enter(evaluation, project)
            else:
                _promote(evaluation, project)
    except (
        NotPromotable,
        ShadowRefused,
    ) as refused:  # it was found not to load
        evaluation.verdict = Evaluation.Verdict.HELD_BACK
        evaluation.reason = str(refused)


def _is_held_back(evaluation: Evaluation) -> bool:
    return evaluation.verdict == Evaluation.Verdict.HELD_BACK


def _passes(evaluation: Evaluation) -> bool:
    """Whether the verdict promotes.

    With too few tasks to tell, only a new version is promoted, and not one that a
    person has evaluated again.
    """
    if evaluation.verdict == Evaluation.Verdict.TOO_FEW_TASKS:
        return evaluation.requested_by == POLICY
    return evaluation.verdict == Evaluation.Verdict.PASSED


def _promote(evaluation: Evaluation, project: Project) -> None:
    promote(
        project=project,
        version=evaluation.version,
        actor=POLICY,
        reason=evaluation.reason,
        origin=job_origin(evaluation),
    )
    evaluation.promoted = True
