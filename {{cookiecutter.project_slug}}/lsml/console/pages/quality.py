"""How good the versions of a project are on held-out tasks: for the project's page."""

from math import floor
from typing import Any, Final

from django.db.models import F
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lsml.console.charts import Series, line_chart
from lsml.console.pages.evaluation import by_label
from lsml.dataset.figures import percent
from lsml.dataset.holdout import ANNOTATED_TASKS_MIN
from lsml.dataset.models import Annotation
from lsml.jobs.kinds import kind_of
from lsml.quality.models import Evaluation
from lsml.registry.models import ModelVersion, Project

_EVALUATIONS_MAX: Final = 50
_LABELS_SHOWN: Final = 8
_ANNOTATIONS_READ: Final = 1_000  # to count tasks up to ANNOTATED_TASKS_MIN
_TICKS: Final = 8
_HELD_OUT: Final = Evaluation.ComparedOn.HELD_OUT
_LARGE: Final = ("label_config", "metrics", "packages")  # columns of a version


def quality_context(
    project: Project, versions: list[ModelVersion], promoted: set[int | None]
) -> dict[str, Any]:
    """Return the served version's figures, the latest verdict, and the chart.

    Args:
        project: Whose page it is.
        versions: Its newest ones, the newest first.
        promoted: Primary keys of versions that were promoted.
    """
    evaluations = newest_evaluations(project.evaluations, _EVALUATIONS_MAX)
    if not evaluations:
        return {"missing": _missing(project, versions)}
    served = (
        project.evaluations.filter(
            version=project.active_version, compared_on=_HELD_OUT
        )
        .exclude(verdict="")
        .defer("log", "task_scores")
        .order_by("-pk")
        .first()
    )
    latest = evaluations[0]
    context = {
        "latest": latest,
        "latest_active": latest.state in Evaluation.ACTIVE,
        "may_retry": kind_of(latest).may_retry(latest),
        "chart": _chart(evaluations, versions, promoted),
    }
    if served:
        new, old = served.report["versions"]
        labels = list(by_label(new, old, "f1", _LABELS_SHOWN))
        context |= {"served": served, "new": new, "old": old, "labels": labels}
    return context


def newest_evaluations(of: Any, count: int) -> list[Any]:
    """Return the newest evaluations of a project or version, the newest first.

    Of their reports, which are large, only `score` is read, with its interval.
    """
    of_versions = [
        f"{side}__{column}"
        for side in ("version", "compared_with")
        for column in _LARGE
    ]
    rows = of.select_related("version", "compared_with").order_by("-pk")
    short = rows.defer("report", "log", "task_scores", *of_versions)
    return list(short.annotate(score=F("report__versions__0__score"))[:count])


def _missing(project: Project, versions: list[ModelVersion]) -> str:
    """Say why no version of the project was evaluated."""
    if not project.holdout_percent:
        return _("The policy holds out no tasks, so versions cannot be compared.")
    annotations = Annotation.objects.trainable().filter(project=project)
    task_ids = annotations.values_list("task_id", flat=True)[:_ANNOTATIONS_READ]
    annotated = len(set(task_ids))
    if annotated < ANNOTATED_TASKS_MIN:
        text = ngettext(
            "%(n)d annotated task: versions are compared from %(enough)d on.",
            "%(n)d annotated tasks: versions are compared from %(enough)d on.",
            annotated,
        )
        return text % {"n": annotated, "enough": ANNOTATED_TASKS_MIN}
    if not versions:
        return _("No version yet. Each new one is compared with the served one.")
    if versions[0].held_out_tasks:
        return _("%s has not been evaluated yet.") % versions[0].version
    return (
        _(
            "No tasks were held out when %s was trained, so it cannot be compared. For"
            " a model without train(), the policy must hold out from fit() as well."
        )
        % versions[0].version
    )


def _chart(
    evaluations: list[Any], versions: list[ModelVersion], promoted: set[int | None]
) -> SafeString | None:
    # The newest evaluation of each version is set last.
    scores = {
        row.version_id: row.score
        for row in reversed(evaluations)
        if row.score and row.compared_on == _HELD_OUT
    }
    shown = [version for version in reversed(versions) if version.pk in scores]
    by_number = {float(version.number): scores[version.pk] for version in shown}
    step = -(-len(shown) // _TICKS) or 1
    return line_chart(
        _("Score on held-out tasks by version; promoted versions are marked"),
        [
            Series(
                _("Score"),
                [(number, score[0]) for number, score in by_number.items()],
                {number: (score[1], score[2]) for number, score in by_number.items()},
            )
        ],
        marks=[(float(version.number), version.version) for version in shown[::step]],
        starred=frozenset(float(v.number) for v in shown if v.pk in promoted),
        write=percent,
        # In fifths, so that the four steps up to 1 are round.
        low=min((floor(5 * score[1]) / 5 for score in by_number.values()), default=0),
    )
