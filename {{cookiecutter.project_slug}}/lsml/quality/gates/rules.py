"""Judges a version by the held-out tasks, against the version that serves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean, median
from typing import Any, Final, Literal

from lsml.dataset.figures import percent
from lsml.dataset.measures import Counts
from lsml.quality.gates.labels import LabelChange, Labels, fallen, label_changes
from lsml.quality.statistics.intervals import Interval, mean
from lsml.quality.statistics.paired import (
    difference,
    difference_shown,
    median_at_least,
)
from lsml.registry.held_out import counted, too_few

Rule = Literal["not_worse", "better"]

# How certain the rule must be. docs/quality-simulations.md has the operating curves.
CERTAINTY: Final[dict[Rule, float]] = {"not_worse": 0.8, "better": 0.95}
_FALLS_SHOWN: Final = 3  # in the reason; the numbers have all
_UNNOTICED_S: Final = 0.05  # per task: faster than this, no annotator sees a difference
_CLOCK_S: Final = 0.001  # durations are recorded in milliseconds


@dataclass(frozen=True, slots=True)
class Scored:
    """A version on the held-out tasks.

    Attributes:
        version: Its name.
        scores: Task -> 0 to 1, the mean over its controls. Without the tasks that the
            version failed on.
        labels: Task -> "control: label" -> how often it was predicted and annotated.
        seconds: Task -> how long `predict()` took, of some tasks, in the order in which
            they were predicted.
    """

    version: str
    scores: Mapping[int, float]
    labels: Mapping[int, Labels]
    seconds: Mapping[int, float]

    @property
    def seconds_per_task(self) -> float:
        """The usual one; without the first, which may be slower than all others."""
        all_ = list(self.seconds.values())
        return median(all_[1:] or all_ or [0.0])


@dataclass(frozen=True, slots=True)
class Gate:
    """A project's rule for promotion.

    Attributes:
        rule: `not_worse`: by more than the margin. `better`: by anything.
        margin: How much worse is accepted; 0.01 is one point.
        min_tasks: With fewer held-out tasks, nothing is judged.
        label_margin: By how much recall and precision of any label may fall.
        latency_factor: How many times as long a task may take.
    """

    rule: Rule = "not_worse"
    margin: float = 0.03
    min_tasks: int = 20
    label_margin: float = 0.05
    latency_factor: float = 2.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule says of a version.

    Attributes:
        passes: It may be promoted; never if not judged.
        judged: False: there are too few tasks to tell.
        reason: What to put after "promoted:" or "held back:".
        numbers: All that was compared, as JSON.
    """

    passes: bool
    judged: bool
    reason: str
    numbers: dict[str, Any]


def judge(
    gate: Gate, candidate: Scored, served: Scored, *, kind: str = "held-out"
) -> Verdict:
    """Compare two versions on the tasks that the served version answered.

    A task that only the candidate failed on counts as 0, and as if it had predicted
    no label there.

    Args:
        gate: The rule.
        candidate: The version to judge.
        served: The version to compare it with.
        kind: What the reason calls the tasks.
    """
    tasks = sorted(served.scores)
    if len(tasks) < max(1, gate.min_tasks):
        reason = too_few(len(tasks), needed=gate.min_tasks, kind=kind)
        return Verdict(False, False, reason, {"tasks": len(tasks)})
    scores = _Scores(
        served=[served.scores[task] for task in tasks],
        candidate=[candidate.scores.get(task, 0.0) for task in tasks],
        unanswered=len(served.scores.keys() - candidate.scores.keys()),
        certainty=CERTAINTY[gate.rule],
        kind=kind,
    )
    changes = label_changes(
        [served.labels.get(task, {}) for task in tasks],
        [_labels(candidate, served, task) for task in tasks],
    )
    problems = [
        *scores.problems(gate),
        *_fallen(changes, gate),
        *_slower(gate, candidate, served),
    ]
    numbers = {
        **scores.as_json(),
        "labels": [each.as_json() for each in changes],
        "seconds_per_task": {
            "served": served.seconds_per_task,
            "candidate": candidate.seconds_per_task,
        },
    }
    reason = "; ".join(problems) or scores.why_it_passes(gate)
    return Verdict(not problems, True, reason, numbers)


@dataclass(frozen=True, slots=True)
class _Scores:
    """The scores of both versions, in the same order of tasks."""

    served: list[float]
    candidate: list[float]
    unanswered: int  # by the candidate
    certainty: float
    kind: str  # of the tasks

    def __str__(self) -> str:
        before, after = fmean(self.served), fmean(self.candidate)
        failed = f" ({self.unanswered} not answered)" if self.unanswered else ""
        count = len(self.served)
        change = f"{percent(before, count)} → {percent(after, count)}"
        return f"{change} on {counted(count, self.kind)}{failed}"

    def bound(self) -> float:
        """Return by how much the candidate is better at least, which may be below 0."""
        # Of a two-sided interval, so that only half of the errors are below it.
        return difference(self._differences(), level=2 * self.certainty - 1).low

    def problems(self, gate: Gate) -> Iterator[str]:
        bound = self.bound()
        certainty = f"with {100 * self.certainty:.0f} % certainty"
        if gate.rule == "better" and bound <= 0:
            yield f"{self}: not better {certainty}"
        elif self._may_be_worse(gate) and self._did_worse():
            # Rounded up: "1 point worse, 1 point allowed" would not be understood.
            possible = _points(ceil(-1000 * bound) / 1000)
            allowed = _points(gate.margin)
            yield (
                f"{self}: {certainty} at most {possible} worse, where the policy"
                f" allows {allowed}"
            )

    def why_it_passes(self, gate: Gate) -> str:
        if self._may_be_worse(gate):
            return f"{self}, worse on none of them"
        return str(self)

    def as_json(self) -> dict[str, Any]:
        return {
            "tasks": len(self.served),
            "unanswered": self.unanswered,
            "served": _json(mean(self.served)),
            "candidate": _json(mean(self.candidate)),
            "difference": _json(difference_shown(self._differences())),
            "bound": self.bound(),
            "certainty": self.certainty,
        }

    def _may_be_worse(self, gate: Gate) -> bool:
        """Whether the bound alone would hold a version back that must not be worse.

        On few tasks, not even the same answers are certain not to be worse. But who
        would hold back a version that did worse on no task?
        """
        return gate.rule == "not_worse" and self.bound() < -gate.margin

    def _did_worse(self) -> bool:
        return any(each < 0 for each in self._differences())

    def _differences(self) -> list[float]:
        return [b - a for a, b in zip(self.served, self.candidate, strict=True)]


def _labels(candidate: Scored, served: Scored, task: int) -> Labels:
    if task in candidate.scores:
        return candidate.labels.get(task, {})
    return {
        label: Counts(0, 0, counts.both + counts.only_annotated)
        for label, counts in served.labels.get(task, {}).items()
    }


def _fallen(changes: Sequence[LabelChange], gate: Gate) -> Iterator[str]:
    found = fallen(changes, gate.label_margin)
    found.sort(key=lambda each: each.after - each.before)
    yield from map(str, found[:_FALLS_SHOWN])
    if len(found) > _FALLS_SHOWN:
        yield f"and {len(found) - _FALLS_SHOWN} more"


def _slower(gate: Gate, candidate: Scored, served: Scored) -> Iterator[str]:
    """Compare durations task by task: what slows the machine down slows both.

    So does a long text, and a median that is larger by chance alone is no proof.
    """
    pairs = [
        (served.seconds[task], seconds)
        for task, seconds in candidate.seconds.items()
        if task in served.seconds
    ][1:]
    if not pairs:
        return
    before, after = (median(seconds) for seconds in zip(*pairs, strict=True))
    times = median_at_least([new / max(old, _CLOCK_S) for old, new in pairs])
    if after > _UNNOTICED_S and times > gate.latency_factor:
        yield (
            f"{after:.2g} s per task instead of {before:.2g} s: at least {times:.2g}"
            f" times as long, {gate.latency_factor:g} times allowed"
        )


def _points(share: float) -> str:
    value = f"{100 * share:.1f}".removesuffix(".0")
    return f"{value} point{'' if value == '1' else 's'}"


def _json(interval: Interval | None) -> dict[str, float] | None:
    return interval and interval._asdict()
