"""What a project's promotion policy does with a new version.

It is compared with the served one in `lsml/quality/evaluation/`, which this room cannot
import: a message wakes a worker, and the sweeper finds versions whose message was lost.
"""

from functools import partial
from typing import Final

from django.db import transaction

from lsml.jobs.notify import notify
from lsml.registry.held_out import too_few
from lsml.registry.models import ModelVersion, Project

EVALUATE: Final = "lsml.quality.tasks.evaluate_version"
COMPARING: Final = (Project.PromotionPolicy.NOT_WORSE, Project.PromotionPolicy.BETTER)
# What the other policies do, whatever the comparison says.
WITHOUT_COMPARISON: Final[dict[str, str]] = {
    Project.PromotionPolicy.ALWAYS: "The policy promotes every new version.",
    Project.PromotionPolicy.MANUAL: "The policy leaves every promotion to people.",
}


def why_promoted_at_once(project: Project, version: ModelVersion) -> str | None:
    """Return why a new version is promoted without a comparison; None = it is not."""
    if project.promotion_policy == Project.PromotionPolicy.ALWAYS:
        return "policy: always"
    if project.promotion_policy not in COMPARING:
        return None
    if not version.held_out_tasks:
        return "nothing is held out to compare it on"
    # If it must pass in shadow, too few held-out tasks do not spare it that.
    few = version.held_out_tasks < project.gate_min_tasks
    if few and not project.gate_shadow_tasks:
        return too_few(version.held_out_tasks, needed=project.gate_min_tasks)
    return None


def may_promote(project: Project, version: ModelVersion) -> bool:
    """Whether it is for the policy to promote the version.

    One that has been served before is not: somebody took it back, and only a person
    promotes it again. An older one is not: it would replace what came after it.
    """
    served = project.active_version
    return (
        project.promotion_policy in COMPARING
        and project.archived_at is None
        and version.state == ModelVersion.State.READY
        and (served is None or version.number > served.number)
        and not version.promotions.exists()
    )


def wake_evaluator(version: ModelVersion) -> None:
    """Have a worker evaluate the version after the transaction commits."""
    transaction.on_commit(partial(notify, EVALUATE, version.pk))
