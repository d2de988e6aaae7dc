"""The figures of an evaluation: controls, labels and tasks of two versions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from lsml.audit.models import Prediction
from lsml.jobs.outcomes import job_origin
from lsml.quality.models import Evaluation

_TASKS_SHOWN: Final = 20
_LABELS_SHOWN: Final = 30

Interval = list[float]  # value, low, high
Measure = Literal["precision", "recall", "f1"]


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of both versions."""

    name: str
    count: int  # tasks, or annotations of a label
    old: Interval | None
    new: Interval | None

    @property
    def change(self) -> float | None:
        """New minus old; None if one of them is missing."""
        return self.new[0] - self.old[0] if self.new and self.old else None


def evaluation_context(found: Evaluation) -> dict[str, Any]:
    """Return what the page of an evaluation shows; empty before it has ended."""
    if not found.report:
        return {}
    new, old = found.report["versions"]
    return {
        "new": new,
        "old": old,
        **_difference(found.report["comparison"]),
        "controls": list(by_control(new, old)),
        "recalls": list(by_label(new, old, "recall")),
        "precisions": list(by_label(new, old, "precision")),
        "labels_shown": _LABELS_SHOWN,
        "more_labels": len(new["labels"]) > _LABELS_SHOWN,
        "worst": _worst(found),
    }


def _difference(comparison: dict[str, Any]) -> dict[str, Any]:
    """Return what the policy compared; empty if there were too few tasks."""
    if "difference" not in comparison:
        return {"difference": None}
    return {
        "difference": comparison["difference"]["value"],
        "bound": comparison["bound"],
        "certainty": round(100 * comparison["certainty"]),
    }


def by_control(new: dict[str, Any], old: dict[str, Any]) -> Iterator[Compared]:
    """Compare the score of each control, from the figures of two versions."""
    for name, figures in new["controls"].items():
        before = old["controls"].get(name, {}).get("score")
        label = f"{name} ({figures['measure']})"
        yield Compared(label, figures["tasks"], before, figures["score"])


def by_label(
    new: dict[str, Any],
    old: dict[str, Any],
    measure: Measure,
    count: int = _LABELS_SHOWN,
) -> Iterator[Compared]:
    """Compare a measure of each label, those annotated most first."""
    alone = len(new["controls"]) < 2  # then its name only takes room
    before = {row["label"]: row for row in old["labels"]}
    for row in new["labels"][:count]:
        label = row["label"]
        yield Compared(
            (label.partition(": ")[2] or label) if alone else label,
            row["annotated"],
            before.get(row["label"], {}).get(measure),
            row[measure],
        )


def _worst(found: Evaluation) -> list[dict[str, Any]]:
    """Return the tasks that the new version did worst on, with its predictions."""
    rows = [row for row in found.task_scores if row[1] is None or row[1] < 1]
    rows = rows[:_TASKS_SHOWN]
    made = Prediction.objects.filter(
        task_id__in=[row[0] for row in rows], model_version=found.version.version
    )
    if found.compared_on == Evaluation.ComparedOn.SHADOW:
        # The first one of each task was compared, so the last to be read.
        made = made.filter(project_pk=found.project_id, kind=Prediction.Kind.SHADOW)
        made = made.order_by("-pk")
    else:
        made = made.filter(request_id=job_origin(found).request_id)
    predictions = dict(made.values_list("task_id", "pk"))
    return [
        {"task": task, "new": new, "old": old, "prediction": predictions.get(task)}
        for task, new, old in rows
    ]
