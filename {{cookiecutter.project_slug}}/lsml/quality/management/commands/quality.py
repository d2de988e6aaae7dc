"""`manage.py quality`: how the versions of a project do on its held-out tasks."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any, Final

from lsml.quality.drift.services import latest_check
from lsml.quality.evaluation.models import Evaluation
from lsml.quality.live.expected import expected_of
from lsml.quality.live.services import DAYS, live_quality, served_and_former
from lsml.quality.live.watching import drops
from lsml.quality.reports import ReportCommand
from lsml.registry.models import Project

_LABELS_SHOWN: Final = 20
_ANNOTATORS_SHOWN: Final = 10
_NONE: Final = (
    "No version was evaluated yet. Versions are compared with the served one once"
    " annotated tasks are held out, which begins with 30 of them."
)


class Command(ReportCommand):
    help = (
        "Show live agreement, what to expect, drift, how new versions compare with the"
        " served one on annotated tasks that no version was trained on, and what the"
        " promotion policy decided."
    )

    listed, listed_max = "evaluations", 1_000

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--json",
            action="store_true",
            help="the evaluations only, with all figures, as JSON",
        )

    def report(self, project: Project, limit: int, **options: Any) -> None:
        ended = project.evaluations.exclude(state__in=Evaluation.ACTIVE)
        ended = ended.order_by("-pk")
        latest = list(ended.select_related("version", "compared_with")[:limit])
        if options["json"]:
            rows = [_as_json(each) for each in latest]
            self.stdout.write(json.dumps(rows, indent=2, ensure_ascii=False))
            return
        self.stdout.write(f"{project} serves {project.served_version}.")
        self._print_roll_back(project)
        self._print_live(project)
        self._print_drift(project)
        if not latest:
            self.stdout.write(_NONE)
            return
        for each in latest:
            self.stdout.write(f"  {_line(each)}")
        self._print_labels(next((each for each in latest if each.report), latest[0]))

    def _print_roll_back(self, project: Project) -> None:
        promotions = project.promotions.select_related("from_version", "to_version")
        last = promotions.order_by("-pk").first()
        if last and last.from_version and last.rolled_back_by_policy:
            name = last.from_version.version
            self.stdout.write(f"  {name} was rolled back: {last.reason}")

    def _print_live(self, project: Project) -> None:
        live = live_quality(project, served_and_former(project))
        for each in live:
            if each.agreement is not None:
                self.stdout.write(
                    f"  {each.version:<12} live agreement {_interval(each.agreement)}"
                    f" on {each.annotations} annotations of the last {DAYS} days"
                )
            for one in each.annotators[:_ANNOTATORS_SHOWN]:
                name = "others" if one.user_id is None else f"user {one.user_id}"
                self.stdout.write(
                    f"    {name:<25} {_interval(one.agreement)} on {one.annotations}"
                )
            if each.not_shown is not None:
                self.stdout.write(
                    f"  {each.version:<12} not shown     "
                    f" {_interval(each.not_shown.agreement)}"
                    f" on {each.not_shown.annotations} annotations."
                    f" {each.not_shown.meaning}"
                )
        expected = expected_of(project, live[0])
        if expected.agreement:
            self.stdout.write(f"  {expected.sentence}")
        for drop in drops(project):
            self.stdout.write(f"  {drop}")

    def _print_drift(self, project: Project) -> None:
        check = latest_check(project)
        if check is None:
            return
        for line in (check.summary, *check.notes):
            self.stdout.write(f"  {line}")

    def _print_labels(self, evaluation: Evaluation) -> None:
        if not evaluation.report:
            return
        new, old = evaluation.report["versions"]
        before = {row["label"]: row for row in old["labels"]}
        if not new["labels"]:
            return
        self.stdout.write(
            f"\nRecall with its 95 % interval on {evaluation.task_count}"
            f" {evaluation.get_compared_on_display()}"
        )
        width = max(len(row["label"]) for row in new["labels"][:_LABELS_SHOWN])
        self.stdout.write(
            f"  {'':<{width}}  {old['version']:<18}  {new['version']:<18}  annotated"
        )
        for row in new["labels"][:_LABELS_SHOWN]:
            earlier = before.get(row["label"], {}).get("recall")
            self.stdout.write(
                f"  {row['label']:<{width}}  {_interval(earlier):<18}"
                f"  {_interval(row['recall']):<18}  {row['annotated']}"
            )


def _line(evaluation: Evaluation) -> str:
    """Return when a version was compared with which, and what became of it."""
    version = f"{evaluation.version.version:<12}"
    at = f"{evaluation.finished_at:%Y-%m-%d %H:%M}" if evaluation.finished_at else ""
    if not evaluation.verdict:
        return f"{version} {at}  evaluation {evaluation.state}: {evaluation.error}"
    outcome = f"{evaluation.outcome}: {evaluation.reason}"
    return f"{version} {at} against {evaluation.other}  {outcome}"


def _interval(values: Sequence[float] | None) -> str:
    if values is None:
        return "–"
    value, low, high = values
    return f"{value:.2f} ({low:.2f}–{high:.2f})"


def _as_json(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "version": evaluation.version.version,
        "compared_on": evaluation.compared_on,
        "compared_with": evaluation.other,
        "at": evaluation.finished_at and evaluation.finished_at.isoformat(),
        "policy": evaluation.policy,
        "verdict": evaluation.verdict,
        "promoted": evaluation.promoted,
        "reason": evaluation.reason,
        "tasks": evaluation.task_count,
        "report": evaluation.report,
    }
