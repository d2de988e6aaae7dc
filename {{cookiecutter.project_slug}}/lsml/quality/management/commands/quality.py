"""`manage.py quality`: how good the versions of a project are."""

import json
from argparse import ArgumentParser
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder

from lsml.dataset.figures import interval
from lsml.quality.evaluation.models import Evaluation
from lsml.quality.live.services import DAYS, LiveQuality
from lsml.quality.overview import Overview, overview
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
            help="as JSON, with all figures; docs/quality.md names the fields",
        )

    def report(self, project: Project, limit: int, **options: Any) -> None:
        found = overview(project, evaluations=limit)
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    found.as_json(),
                    indent=2,
                    ensure_ascii=False,
                    cls=DjangoJSONEncoder,
                )
            )
            return
        self.stdout.write(f"{project} serves {found.served_version}.")
        self._print_versions(found)
        self._print_warnings(found)
        latest = found.evaluations
        if not latest:
            self.stdout.write(_NONE)
            return
        for each in latest:
            self.stdout.write(f"  {_line(each)}")
        self._print_labels(next((each for each in latest if each.report), latest[0]))

    def _print_versions(self, found: Overview) -> None:
        if found.rolled_back:
            self.stdout.write(f"  {found.rolled_back}")
        if found.shadow:
            self.stdout.write(
                f"  {found.shadow.version:<12} in shadow, {found.shadow.percent} % of"
                f" the tasks: {found.shadow.verdict}"
            )
        for live in found.live:
            self._print_live(live)

    def _print_live(self, live: LiveQuality) -> None:
        if live.agreement is not None:
            agreement = interval(live.agreement, live.annotations)
            self.stdout.write(
                f"  {live.version:<12} live agreement {agreement}"
                f" on {live.annotations} annotations of the last {DAYS} days"
            )
        else:
            self.stdout.write(
                f"  {live.version:<12} live agreement not known: no prediction was"
                f" annotated in the last {DAYS} days"
            )
        for one in live.annotators[:_ANNOTATORS_SHOWN]:
            name = "others" if one.user_id is None else f"user {one.user_id}"
            agreement = interval(one.agreement, one.annotations)
            self.stdout.write(f"    {name:<25} {agreement} on {one.annotations}")
        if live.not_shown is not None:
            unseen = live.not_shown
            self.stdout.write(
                f"  {live.version:<12} not shown     "
                f" {interval(unseen.agreement, unseen.annotations)}"
                f" on {unseen.annotations} annotations. {unseen.meaning}"
            )

    def _print_warnings(self, found: Overview) -> None:
        expected = found.expected.sentence if found.expected.agreement else ""
        warning = found.warning if expected else ""
        drop = str(found.drop) if found.drop else ""
        check = found.drift
        drift = [check.summary, *check.notes] if check else [found.not_checked]
        for line in (expected, warning, drop, *drift):
            if line:
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
            f"  {'':<{width}}  {old['version']:<20}  {new['version']:<20}  annotated"
        )
        for row in new["labels"][:_LABELS_SHOWN]:
            earlier = before.get(row["label"], {}).get("recall")
            old_recall, new_recall = (
                interval(each, row["annotated"]) if each else "–"
                for each in (earlier, row["recall"])
            )
            self.stdout.write(
                f"  {row['label']:<{width}}  {old_recall:<20}"
                f"  {new_recall:<20}  {row['annotated']}"
            )


def _line(evaluation: Evaluation) -> str:
    """Return when a version was compared with which, and what became of it."""
    version = f"{evaluation.version.version:<12}"
    at = f"{evaluation.finished_at:%Y-%m-%d %H:%M}" if evaluation.finished_at else ""
    if not evaluation.verdict:
        return f"{version} {at}  evaluation {evaluation.state}: {evaluation.error}"
    outcome = f"{evaluation.outcome}: {evaluation.reason}"
    consequence = f". {evaluation.consequence}" if evaluation.consequence else ""
    return f"{version} {at} against {evaluation.other}  {outcome}{consequence}"
