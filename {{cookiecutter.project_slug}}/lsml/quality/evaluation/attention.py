"""What a person should look at: for alarms."""

from django.db.models import QuerySet

from lsml.quality.evaluation.models import Evaluation
from lsml.registry.promotion_policy import COMPARING


def held_back_last() -> list[Evaluation]:
    """Return the last evaluation of each project, if its version was held back.

    One that a person has promoted since is not held back any more.
    """
    held_back = _last().filter(
        verdict=Evaluation.Verdict.HELD_BACK, policy__in=COMPARING
    )
    return _not_served(held_back)


def failed_last() -> list[Evaluation]:
    """Return the last evaluation of each project, if it failed.

    Its version is not promoted, unless a person does that. Not one whose version was
    held back for it.
    """
    return _not_served(_last().filter(state=Evaluation.State.FAILED, verdict=""))


def _last() -> QuerySet[Evaluation]:
    ended = Evaluation.objects.exclude(state__in=Evaluation.ACTIVE)
    last = ended.order_by("project_id", "-pk").distinct("project_id").values("pk")
    return Evaluation.objects.filter(pk__in=last, project__archived_at=None)


def _not_served(evaluations: QuerySet[Evaluation]) -> list[Evaluation]:
    found = evaluations.select_related("project", "version").only(
        "reason",
        "error",
        "project__title",
        "project__labelstudio_id",
        "project__active_version",
        "version__version",
    )
    return [
        each
        for each in found.order_by("pk")
        if each.version_id != each.project.active_version_id
    ]
