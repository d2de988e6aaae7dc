"""Applies a project's promotion policy to an evaluation that has ended."""

from typing import Final

from lsml.jobs.outcomes import job_origin
from lsml.quality.evaluation.models import Evaluation
from lsml.registry.errors import NotPromotable
from lsml.registry.models import ModelVersion, Project
from lsml.registry.promotion_policy import COMPARING
from lsml.registry.services import promote

_POLICY: Final = "policy"  # who requests the evaluation of a new version


def decide(evaluation: Evaluation) -> bool:
    """Promote the version, or hold it back. Called in the transaction of its end.

    Returns:
        Whether that was decided. If not, another version is served by now, and this one
        must be compared with that.
    """
    # The lock keeps others from promoting meanwhile.
    project = Project.objects.select_for_update(no_key=True).get(
        pk=evaluation.project_id
    )
    evaluation.policy = project.promotion_policy
    decided = True
    if _may_promote(project, evaluation.version):
        if evaluation.compared_with_id != project.active_version_id:
            decided = False
        elif _passes(evaluation):
            _promote(evaluation, project)
    evaluation.save(update_fields=["policy", "verdict", "reason", "promoted"])
    if decided and evaluation.policy in COMPARING:
        held_back = evaluation.verdict == Evaluation.Verdict.HELD_BACK
        evaluation.version.held_back = evaluation.reason if held_back else ""
        evaluation.version.save(update_fields=["held_back"])
    return decided


def _passes(evaluation: Evaluation) -> bool:
    """Whether the verdict promotes.

    With too few tasks to tell, only a new version is promoted, and not one that a
    person has evaluated again.
    """
    if evaluation.verdict == Evaluation.Verdict.TOO_FEW_TASKS:
        return evaluation.requested_by == _POLICY
    return evaluation.verdict == Evaluation.Verdict.PASSED


def _may_promote(project: Project, version: ModelVersion) -> bool:
    """Whether it is for the policy to promote the version.

    One that has been served before is not: somebody took it back, and only a person
    promotes it again. An older one is not: it would replace what came after it.
    """
    served = project.active_version
    return (
        project.promotion_policy in COMPARING
        and project.archived_at is None
        and version.state == version.State.READY
        and (served is None or version.number > served.number)
        and not version.promotions.exists()
    )


def _promote(evaluation: Evaluation, project: Project) -> None:
    try:
        promote(
            project=project,
            version=evaluation.version,
            actor="policy",
            reason=evaluation.reason,
            origin=job_origin(evaluation),
        )
        evaluation.promoted = True
    except NotPromotable as refused:  # it was found not to load meanwhile
        evaluation.verdict = Evaluation.Verdict.HELD_BACK
        evaluation.reason = str(refused)
