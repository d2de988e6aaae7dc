"""All that is known of a project's quality, for `manage.py quality`."""

from dataclasses import asdict, dataclass
from typing import Any

from lsml.quality.drift.models import DriftCheck
from lsml.quality.drift.services import latest_check, why_not_checked
from lsml.quality.evaluation.models import Evaluation
from lsml.quality.live.expected import ExpectedAgreement, expected_of
from lsml.quality.live.services import LiveQuality, live_quality, served_and_former
from lsml.quality.live.watching import Drop, drops
from lsml.quality.shadow import ShadowReport, shadow_report
from lsml.registry.models import Project


@dataclass(frozen=True, slots=True)
class Overview:
    """What is measured of the versions of a project.

    Attributes:
        served_version: Its name.
        rolled_back: Which version the service has rolled back and why; or empty.
        shadow: The version in shadow; None = there is none.
        live: Of the served version, then of the one before.
        expected: Of the served version.
        drop: Of its live agreement; None = there is none.
        drift: Its latest check; None = it was not checked.
        not_checked: Why there is no check, or when there will be one; or empty.
        evaluations: Those that have ended, the newest first.
    """

    served_version: str
    rolled_back: str
    shadow: ShadowReport | None
    live: list[LiveQuality]
    expected: ExpectedAgreement
    drop: Drop | None
    drift: DriftCheck | None
    not_checked: str
    evaluations: list[Evaluation]

    @property
    def warning(self) -> str:
        """Why not to rely on the expected agreement; empty = nothing is known."""
        return self.drift.warning if self.drift else ""

    def as_json(self) -> dict[str, Any]:
        """Return all figures; `live`, `expected` and `drop` as in REST."""
        return {
            "served_version": self.served_version,
            "rolled_back": self.rolled_back,
            "shadow": self.shadow and asdict(self.shadow),
            "live": [_live(each) for each in self.live],
            "expected": asdict(self.expected) | {"warning": self.warning},
            "drop": self.drop and _drop(self.drop),
            "drift": _drift(self.drift, self.not_checked),
            "evaluations": [_evaluation(each) for each in self.evaluations],
        }


def overview(project: Project, evaluations: int) -> Overview:
    """Read all of it.

    Args:
        project: Whose versions these are.
        evaluations: At most so many of the newest.
    """
    live = live_quality(project, served_and_former(project))
    check = latest_check(project)
    ended = project.evaluations.exclude(state__in=Evaluation.ACTIVE)
    joined = ended.select_related("version", "compared_with")
    return Overview(
        served_version=project.served_version,
        rolled_back=_rolled_back(project),
        shadow=shadow_report(project),
        live=live,
        expected=expected_of(project, live[0]),
        drop=next(iter(drops(project)), None),
        drift=check,
        not_checked="" if check else why_not_checked(project),
        evaluations=list(joined.order_by("-pk")[:evaluations]),
    )


def _rolled_back(project: Project) -> str:
    promotions = project.promotions.select_related("from_version", "to_version")
    last = promotions.order_by("-pk").first()
    if last and last.from_version and last.rolled_back_by_policy:
        return f"{last.from_version.version} was rolled back: {last.reason}"
    return ""


def _live(live: LiveQuality) -> dict[str, Any]:
    return asdict(live) | {
        "not_shown": live.not_shown
        and asdict(live.not_shown) | {"meaning": live.not_shown.meaning},
        "labels": [
            asdict(each) | {"precision": each.precision, "recall": each.recall}
            for each in live.labels
        ],
        "calibration": [
            {
                "low": each.low,
                "high": each.high,
                "annotations": each.answers,
                "score": each.score,
                "agreement": each.correct,
            }
            for each in live.calibration
        ],
    }


def _drop(drop: Drop) -> dict[str, Any]:
    return {
        "usual": drop.usual,
        "level": drop.level,
        "annotations": drop.annotations,
        "since": drop.since,
        "reported_at": drop.reported_at,
    }


def _drift(check: DriftCheck | None, not_checked: str) -> dict[str, Any]:
    return {
        "checked_at": check and check.checked_at,
        "live_tasks": check.live_tasks if check else 0,
        "summary": check.summary if check else not_checked,
        "features": check.features if check else [],
        "notes": check.notes if check else [],
    }


def _evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "version": evaluation.version.version,
        "compared_on": evaluation.compared_on,
        "compared_with": evaluation.other,
        "at": evaluation.finished_at,
        "state": evaluation.state,
        "error": evaluation.error,
        "policy": evaluation.policy,
        "verdict": evaluation.verdict,
        "promoted": evaluation.promoted,
        "reason": evaluation.reason,
        "consequence": evaluation.consequence,
        "tasks": evaluation.task_count,
        "report": evaluation.report,
    }
