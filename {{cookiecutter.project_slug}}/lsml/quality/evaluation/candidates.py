"""Versions that passed on held-out tasks, and must now pass in shadow: ADR 57.

The evaluation that a version passed has `in_shadow_until` while it is a candidate.
Whoever changes that holds the lock of the project's row.
"""

from datetime import timedelta
from typing import Final

from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.jobs.outcomes import job_origin
from lsml.observability.origin import Origin
from lsml.quality.evaluation.models import Evaluation
from lsml.registry.held_out import counted
from lsml.registry.models import POLICY, ModelVersion, Project
from lsml.registry.shadow import end_shadow, start_shadow

SHADOW_DAYS: Final = 14  # without enough annotated tasks; then a person decides

_SHADOW: Final = Evaluation.ComparedOn.SHADOW
_Verb = AuditEntry.Verb
_CHANGES: Final = (_Verb.SHADOW_STARTED, _Verb.SHADOW_STOPPED)


def enter(evaluation: Evaluation, project: Project) -> None:
    """Put a version that passed into shadow, in place of an older candidate.

    A newer candidate stays. The evaluation is not saved.

    Raises:
        ShadowRefused: It cannot be in shadow, for example because it does not load.
    """
    version, origin = evaluation.version, job_origin(evaluation)
    before = project.evaluations.select_related("version").filter(
        in_shadow_until__isnull=False
    )
    for other in before:
        if other.version.number > version.number:
            evaluation.reason += f"; {other.version.version}, newer, is in shadow"
            return
        if other.version_id != version.pk:
            why = f"{version.version}, newer, passed and takes its place"
            leave(other.version, project, reason=why, origin=origin)
    before.update(in_shadow_until=None)  # the same version, evaluated again
    if project.shadow_version_id != version.pk:
        start_shadow(
            version=version, actor=POLICY, reason=evaluation.reason, origin=origin
        )
        if tried := project.shadow_version:  # by a person: candidates have left
            evaluation.reason += f"; takes the place of {tried.version} in shadow"
    needed = counted(project.gate_shadow_tasks, "annotated")
    evaluation.reason += f"; must now pass on {needed} in shadow"
    evaluation.in_shadow_until = timezone.now() + timedelta(days=SHADOW_DAYS)


def leave(
    version: ModelVersion, project: Project, *, reason: str, origin: Origin
) -> None:
    """End the shadow of a version if it is a candidate, which it no longer is."""
    candidate = version.evaluations.filter(in_shadow_until__isnull=False)
    if candidate.update(in_shadow_until=None):
        project.refresh_from_db(fields=["shadow_version"])
        if project.shadow_version_id == version.pk:
            end_shadow(project, actor=POLICY, reason=reason, origin=origin)


def give_up(candidate: Evaluation, project: Project, *, why: str) -> None:
    """Hold a version back that has no verdict in shadow, and will not get one."""
    version, origin = candidate.version, job_origin(candidate)
    reason = f"{why}; evaluate it again, or promote it with a reason"
    leave(version, project, reason=reason, origin=origin)
    last = version.evaluations.filter(compared_on=_SHADOW).latest("pk")
    last.policy, last.reason = project.promotion_policy, reason
    last.verdict = Evaluation.Verdict.HELD_BACK
    last.save(update_fields=["policy", "reason", "verdict"])
    version.held_back = reason
    version.save(update_fields=["held_back"])
    record_entry(
        origin=origin,
        at=timezone.now(),
        actor=POLICY,
        verb=_Verb.VERSION_EVALUATED,
        target=f"evaluation {last.pk}",
        project_pk=project.pk,
        reason=reason,
        detail={
            "version": version.pk,
            "compared_on": last.compared_on,
            "compared_with": last.compared_with_id,
            "policy": last.policy,
            "verdict": last.verdict,
        },
    )


def hold_back_if_unfinished(evaluation: Evaluation, project: Project) -> None:
    """Hold a version back that was not in shadow for long enough to be judged."""
    if project.shadow_version_id != evaluation.version_id:
        why = f"; no longer in shadow ({_last_change(project)})"
    elif evaluation.verdict == Evaluation.Verdict.TOO_FEW_TASKS:
        early = evaluation.version.evaluations.filter(
            in_shadow_until__gt=timezone.now()
        ).exists()  # more tasks are needed, or fewer are left, than when it began
        why = "" if early else f" in {SHADOW_DAYS} days"
    else:
        return
    evaluation.verdict = Evaluation.Verdict.HELD_BACK
    evaluation.reason += f"{why}; a person decides"


def _last_change(project: Project) -> str:
    """Say how the last shadow of a project ended."""
    entries = AuditEntry.objects.for_project(project.pk).filter(verb__in=_CHANGES)
    last = entries.order_by("-pk").first()
    if last is None:
        return "the audit log no longer says why"
    if last.verb == _Verb.SHADOW_STARTED:
        return f"{last.actor} put {last.target.removeprefix('version ')} there"
    return last.reason
