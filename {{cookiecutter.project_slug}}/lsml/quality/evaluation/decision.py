"""Applies a project's promotion policy to an evaluation that has ended."""

from typing import Final

from lsml.jobs.outcomes import job_origin
from lsml.quality.evaluation.models import Evaluation
from lsml.registry.errors import NotPromotable
from lsml.registry.models import Project
from lsml.registry.promotion_policy import COMPARING
from lsml.registry.services import promote

_PROMOTES: Final = {Evaluation.Verdict.PASSED, Evaluation.Verdict.TOO_FEW_TASKS}


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
    version = evaluation.version
    compared = evaluation.compared_with_id == project.active_version_id
    served = project.active_version
    is_newer = served is None or version.number > served.number
    if project.promotion_policy in COMPARING and is_newer:
        if not compared:
            evaluation.save(update_fields=["policy"])
            return False
        if evaluation.verdict in _PROMOTES:
            try:
                promote(
                    project=project,
                    version=version,
                    actor="policy",
                    reason=evaluation.reason,
                    origin=job_origin(evaluation),
                )
                evaluation.promoted = True
            except NotPromotable as refused:  # archived or unloadable by now
                evaluation.verdict = Evaluation.Verdict.HELD_BACK
                evaluation.reason = str(refused)
    evaluation.save(update_fields=["policy", "verdict", "reason", "promoted"])
    return True
