"""The figures of an evaluation, as JSON for pages, REST and the audit log."""

from collections import defaultdict
from typing import Any, Final

from lsml.dataset.measures import Counts
from lsml.quality.evaluation.measuring import Measured
from lsml.quality.gates.rules import Verdict
from lsml.quality.statistics import intervals
from lsml.quality.statistics.intervals import Interval

LABELS_MAX: Final = 100  # of a version, the most frequent ones; of the comparison
_DIGITS: Final = 4


def report(new: Measured, old: Measured, verdict: Verdict) -> dict[str, Any]:
    """Return what pages show: `versions`, the new one first, and `comparison`.

    Shares are 0 to 1; an interval is `[value, low, high]` with 95 % certainty.
    """
    return {
        "versions": [_figures(new), _figures(old)],
        "comparison": verdict.numbers
        | {"labels": verdict.numbers.get("labels", [])[:LABELS_MAX]},
    }


def task_scores(new: Measured, old: Measured) -> list[list[Any]]:
    """Return `[task, new score, old score]`, the worst of the new version first.

    A score is None if the version failed on the task.
    """
    rows = [[task, _rounded(new, task), _rounded(old, task)] for task in new.scores]
    return sorted(rows, key=lambda row: (-1 if row[1] is None else row[1], row[0]))


def _rounded(measured: Measured, task: int) -> float | None:
    return None if task in measured.failed else round(measured.scores[task], _DIGITS)


def _figures(measured: Measured) -> dict[str, Any]:
    scored = measured.scored(with_failed=True)
    return {
        "version": measured.version,
        "answered": measured.answered,
        "failed": len(measured.failed),
        "error": measured.error,
        "score": _interval(intervals.mean(list(measured.scores.values()))),
        "seconds_per_task": round(scored.seconds_per_task, 6),
        "controls": {
            control: {
                "measure": measured.measures[control],
                "tasks": len(values),
                "score": _interval(intervals.mean(list(values.values()))),
            }
            for control, values in sorted(measured.controls.items())
        },
        "labels": _labels(measured),
    }


def _labels(measured: Measured) -> list[dict[str, Any]]:
    by_label: defaultdict[str, list[Counts]] = defaultdict(list)
    for labels in measured.labels.values():
        for label, counts in labels.items():
            by_label[label].append(counts)
    rows: list[dict[str, Any]] = [
        {
            "label": label,
            "annotated": sum(each.both + each.only_annotated for each in counts),
            "predicted": sum(each.both + each.only_predicted for each in counts),
            "precision": _interval(intervals.precision(counts)),
            "recall": _interval(intervals.recall(counts)),
            "f1": _interval(intervals.f1(counts)),
        }
        for label, counts in by_label.items()
    ]
    rows.sort(key=lambda row: (-row["annotated"], row["label"]))
    return rows[:LABELS_MAX]


def _interval(found: Interval | None) -> list[float] | None:
    return found and [round(each, _DIGITS) for each in found]
