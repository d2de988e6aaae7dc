"""What a person should look at: for alarms."""

from lsml.quality.evaluation.models import Evaluation
from lsml.registry.promotion_policy import COMPARING


def held_back_last() -> list[Evaluation]:
    """Return the last evaluation of each project, if its version was held back.

    One that a person has promoted since is not held back any more.
    """
    ended = Evaluation.objects.filter(state=Evaluation.State.SUCCEEDED)
    last = ended.order_by("project_id", "-pk").distinct("project_id").values("pk")
    held_back = Evaluation.objects.filter(
        pk__in=last,
        verdict=Evaluation.Verdict.HELD_BACK,
        policy__in=COMPARING,
        project__archived_at=None,
    )
    found = held_back.select_related("project", "version").only(
        "reason",
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
