"""What people are told about the order of tasks in Label Studio."""

from dataclasses import dataclass
from datetime import datetime

from lsml.inference.models import PredictionJob
from lsml.registry.models import Following, Project


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """Which version Label Studio orders by, and what is to follow."""

    uncertainty: bool  # whether uncertainty sampling is switched on
    version: str  # Label Studio orders by its scores; "" = by none
    since: datetime | None
    waiting: str  # for what, as a sentence; "" = for nothing
    problem: str  # as a sentence; "" = none


def order_status(project: Project) -> OrderStatus:
    """Return how far Label Studio's order follows the served version."""
    following = getattr(project, "following", None) or Following()
    uncertainty = project.sampling == Project.Sampling.UNCERTAINTY
    return OrderStatus(
        uncertainty=uncertainty,
        version=following.version,
        since=following.since,
        waiting=_waiting(project, following, uncertainty),
        problem=following.problem,
    )


def _waiting(project: Project, following: Following, uncertainty: bool) -> str:
    if not uncertainty:
        restored = not (following.version or following.sampling_before)
        return "" if restored else "The next check restores the order from before."
    served = project.served_version
    active = PredictionJob.objects.filter(
        project=project, state__in=PredictionJob.ACTIVE
    ).defer("log")
    if following.version == served:
        return ""
    if job := active.first():
        return (
            f"{served} is being predicted: {job.done:,} of {job.total:,}, then the"
            " order follows."
        )
    if following.problem:  # says more
        return ""
    return f"{served} has not predicted the tasks yet; the order follows when it has."
