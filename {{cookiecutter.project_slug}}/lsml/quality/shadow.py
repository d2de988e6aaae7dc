"""Compares the version in shadow with the served one on what was annotated since."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from lsml.inference.models import Shadow, ShadowTask
from lsml.quality.budget import UNLIMITED, Budget
from lsml.quality.evaluation.in_shadow import measure_in_shadow
from lsml.quality.evaluation.report import report
from lsml.quality.gates.policy import shadow_gate_of
from lsml.quality.gates.rules import judge
from lsml.registry.models import Project

_State = ShadowTask.State


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """What a version did in shadow, and how it compares.

    Attributes:
        version: In shadow.
        compared_with: The served version.
        percent: The share of the tasks.
        predicted: Tasks that it predicted, or failed on.
        failed: Of these.
        waiting: Tasks that it will predict.
        unknown: Tasks it could not predict: their data is not in the dataset.
        dropped: How often a task was left out because too many waited.
        compared: Tasks that both predicted and that were annotated after the served
            version's prediction.
        passes: By the project's promotion policy; None if there are too few tasks.
        verdict: The same as a sentence.
        figures: As `evaluation/report.py` describes.
    """

    version: str
    compared_with: str
    percent: int
    predicted: int
    failed: int
    waiting: int
    unknown: int
    dropped: int
    compared: int
    passes: bool | None
    verdict: str
    figures: dict[str, Any]


def shadow_report(
    project: Project, *, budget: Budget = UNLIMITED
) -> ShadowReport | None:
    """Compare the project's version in shadow; return None if there is none.

    Args:
        project: The project.
        budget: The time it may take. The newest tasks come first.
    """
    version = project.shadow_version
    if version is None:
        return None
    shadow = Shadow.objects.filter(version=version).first()
    new, old = measure_in_shadow(
        project, version, project.active_version, budget=budget
    )
    verdict = judge(
        shadow_gate_of(project),
        new.scored(with_failed=False),
        old.scored(with_failed=True),
        kind="annotated",
    )
    counts = _counts(shadow)
    return ShadowReport(
        version=version.version,
        compared_with=project.served_version,
        percent=project.shadow_percent,
        predicted=counts.get(_State.PREDICTED, 0) + counts.get(_State.FAILED, 0),
        failed=counts.get(_State.FAILED, 0),
        waiting=counts.get(_State.WAITING, 0),
        unknown=counts.get(_State.UNKNOWN, 0),
        dropped=shadow.dropped if shadow else 0,
        compared=len(old.scores),
        passes=verdict.passes if verdict.judged else None,
        verdict=verdict.reason,
        figures=report(new, old, verdict),
    )


def _counts(shadow: Shadow | None) -> dict[str, int]:
    if shadow is None:
        return {}
    rows = shadow.tasks.values("state").annotate(count=Count("pk"))
    return dict(rows.values_list("state", "count"))
