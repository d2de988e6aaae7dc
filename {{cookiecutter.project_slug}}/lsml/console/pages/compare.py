"""Compares two versions: quality, metrics, labels, packages, answers that differ."""

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from lsml.audit.models import Prediction
from lsml.console.pages.base import needs, page, version_or_404
from lsml.console.pages.evaluation import by_control, by_label
from lsml.console.pages.metrics import compared
from lsml.dataset.models import Snapshot
from lsml.labelstudio.results import meaning
from lsml.quality.models import Evaluation
from lsml.registry.models import ModelVersion

_NEWEST: Final = 1_000  # predictions read of each version
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Difference:
    """A task that two versions answered differently."""

    task_id: int
    left: Prediction
    right: Prediction


@needs("read")
def compare(request: HttpRequest, pk: int) -> HttpResponse:
    """Compare a version with the one in `?with=`: the older left, the newer right.

    So a difference has the same sign whichever version the page was opened from.
    """
    opened = get_object_or_404(ModelVersion.objects.select_related("project"), pk=pk)
    other = version_or_404(opened.project, request.GET.get("with", ""))
    left, right = sorted((opened, other), key=lambda version: version.number)
    shared, different = differences(left, right)
    counts = dict(
        Snapshot.objects.filter(
            project=left.project,
            digest__in=[left.snapshot_digest, right.snapshot_digest],
        ).values_list("digest", "label_counts")
    )
    context = {
        "title": _("Compare %(left)s with %(right)s")
        % {"left": left.version, "right": right.version},
        "left": left,
        "right": right,
        "metrics": compared(left.metrics, right.metrics),
        "labels": compared(
            counts.get(left.snapshot_digest, {}), counts.get(right.snapshot_digest, {})
        ),
        "packages": _packages(left, right),
        "shared": shared,
        "different": len(different),
        "differences": different[:_SHOWN],
        **_quality(left, right),
    }
    return page(request, "console/compare.html", context)


def differences(
    left: ModelVersion, right: ModelVersion
) -> tuple[int, list[Difference]]:
    """Return how many tasks both versions answered, and where the answers differ.

    Only the newest predictions of each version are read, so the cost of the page does
    not grow with the number of predictions.
    """
    by_left, by_right = _answers(left), _answers(right)
    shared = by_left.keys() & by_right.keys()
    different = [
        Difference(task, by_left[task], by_right[task])
        for task in sorted(shared)
        if meaning(by_left[task].result) != meaning(by_right[task].result)
    ]
    return len(shared), different


def _quality(left: ModelVersion, right: ModelVersion) -> dict[str, Any]:
    """Return the figures of the newest evaluation of both; empty if there is none."""
    pair = [left.pk, right.pk]
    ended = Evaluation.objects.exclude(verdict="").defer("log", "task_scores")
    held_out = ended.filter(compared_on=Evaluation.ComparedOn.HELD_OUT)
    both = held_out.filter(version__in=pair, compared_with__in=pair)
    found = both.order_by("-pk").first()
    if found is None:
        return {}
    figures = {each["version"]: each for each in found.report["versions"]}
    old, new = figures[left.version], figures[right.version]
    return {
        "evaluation": found,
        "old": old,
        "new": new,
        "controls": list(by_control(new, old)),
        "f1": list(by_label(new, old, "f1")),
    }


def _answers(version: ModelVersion) -> dict[int, Prediction]:
    rows: Any = Prediction.objects.filter(
        project_pk=version.project_id, model_version=version.version
    )
    shown = rows.only("pk", "task_id", "result", "outcome", "error")
    found: dict[int, Prediction] = {}
    for row in shown.order_by("-pk")[:_NEWEST]:
        if row.task_id is not None:
            found.setdefault(row.task_id, row)
    return found


def _packages(left: ModelVersion, right: ModelVersion) -> list[tuple[str, str, str]]:
    names = sorted({*left.packages, *right.packages})
    pairs = ((n, left.packages.get(n, "–"), right.packages.get(n, "–")) for n in names)
    return [(name, old, new) for name, old, new in pairs if old != new]
