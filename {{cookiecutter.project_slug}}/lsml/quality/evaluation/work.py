"""Carries out an evaluation: two versions predict the same tasks and are compared."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import Any, Final, NamedTuple

from label_studio_ml.training import AnnotatedTask
from lsml.audit.models import Prediction
from lsml.dataset.holdout import held_out_tasks, trained_task_ids
from lsml.dataset.models import Snapshot
from lsml.inference.errors import GivenUp, ModelCrashed, ModelNotLoadable
from lsml.jobs.errors import AttemptFailed, JobFailed
from lsml.jobs.outcomes import job_origin
from lsml.jobs.running import RunningJob, run_job
from lsml.quality.evaluation.in_shadow import measure_in_shadow
from lsml.quality.evaluation.jobs import kind
from lsml.quality.evaluation.measuring import Measured, load, measure
from lsml.quality.evaluation.models import Evaluation
from lsml.quality.evaluation.report import report, task_scores
from lsml.quality.gates.policy import gate_of, shadow_gate_of
from lsml.quality.gates.rules import Verdict, judge
from lsml.registry.fallback import mark_unloadable
from lsml.registry.models import INITIAL_VERSION, ModelVersion, Project
from lsml.registry.promotion_policy import COMPARING
from lsml.registry.served import Served

_HELD_BACK: Final = Evaluation.Verdict.HELD_BACK
TASKS_MAX: Final = 2_000  # more would not make the intervals noticeably narrower
_TURNS: Final = 10  # of each version


def evaluate(evaluation_id: int) -> None:
    """Run an evaluation to its end; return at once if another process has it."""
    run_job(kind, evaluation_id, _evaluate)


def _evaluate(running: RunningJob[Evaluation]) -> dict[str, Any]:
    project = Project.objects.select_related("active_version").get(
        pk=running.job.project_id
    )
    if running.job.compared_on == Evaluation.ComparedOn.SHADOW:
        return _evaluate_in_shadow(running, project)
    found = _evaluate_on_held_out_tasks(running, project)
    compares = project.promotion_policy in COMPARING
    if compares and found["verdict"] != _HELD_BACK and not project.gate_shadow_tasks:
        _load_where_it_serves(running, project)  # it may be promoted now
    return found


def _evaluate_on_held_out_tasks(
    running: RunningJob[Evaluation], project: Project
) -> dict[str, Any]:
    """Let both versions predict, and judge by the policy as it is then."""
    version = running.job.version
    other = project.active_version
    if other == version:  # the policy promoted it at once, or a person did
        other = version.parent
    tasks = _tasks(version, other)
    if not tasks:
        return {
            "compared_with": other,
            "verdict": Evaluation.Verdict.TOO_FEW_TASKS,
            "reason": f"{_name(other)} may have been trained on all tasks held out from"
            f" {version.version}, so they cannot be compared",
        }
    new, old = Measured(version.version), Measured(_name(other))
    try:
        _measure_by_turns(running, project, new, old, tasks)
    except ModelNotLoadable as error:  # here; it may well load where it serves
        reason = (
            f"{old.version}, which it is to be compared with, cannot be loaded:"
            f" {error}. Evaluate {new.version} again, or promote it with a reason"
        )
        running.log(reason)
        return {"compared_with": other, "verdict": _HELD_BACK, "reason": reason}
    project.refresh_from_db()  # that took a while
    verdict = _judge(project, new, old)
    running.log(verdict.reason)
    return {"compared_with": other, **_result(new, old, verdict)}


def _evaluate_in_shadow(
    running: RunningJob[Evaluation], project: Project
) -> dict[str, Any]:
    """Compare what both versions predicted; only loads the version."""
    version, other = running.job.version, running.job.compared_with
    _load_where_it_serves(running, project)
    new, old = measure_in_shadow(project, version, other)
    verdict = judge(
        shadow_gate_of(project),
        new.scored(with_failed=False),
        old.scored(with_failed=True),
        kind="annotated",
    )
    running.log(verdict.reason)
    return _result(new, old, replace(verdict, reason=f"in shadow: {verdict.reason}"))


def _load_where_it_serves(running: RunningJob[Evaluation], project: Project) -> None:
    """Load the version for those who wait for predictions, before it is promoted.

    It was measured elsewhere if there is a background model process.
    """
    version = running.job.version
    serving = Served(project.pk, version.version, project.label_config)
    with _must_load(version, project):
        load(serving, job_origin(running.job), kind=None, on_wait=running.save)


def _result(new: Measured, old: Measured, verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": _named(verdict),
        "reason": verdict.reason,
        "task_count": len(old.scores),
        "report": report(new, old, verdict),
        "task_scores": task_scores(new, old),
    }


@contextmanager
def _must_load(version: ModelVersion, project: Project) -> Iterator[None]:
    """Fail, and mark the version, if it cannot be loaded in the block."""
    try:
        yield
    except ModelNotLoadable as error:
        project.refresh_from_db(fields=["active_version"])
        if version.pk != project.active_version_id:  # it may well load in web
            mark_unloadable(version, str(error))
        raise JobFailed(f"{version.version} cannot be loaded: {error}") from error


def _judge(project: Project, new: Measured, old: Measured) -> Verdict:
    """Compare the versions. A task that a version failed on counts as 0.

    One that failed on most tasks is held back, whatever the other one did: whether it
    is good cannot be told.
    """
    if new.answered < len(new.failed):
        count = f"{len(new.failed)} of {len(new.scores)}"
        reason = f"{new.version} failed on {count} held-out tasks: {new.error}"
        return Verdict(False, True, reason, {})
    served = old.scored(with_failed=True)
    verdict = judge(gate_of(project), new.scored(with_failed=False), served)
    if not old.failed:
        return verdict
    count = f"{len(old.failed)} of {len(old.scores)}"
    reason = f"{verdict.reason}; {old.version} failed on {count}: {old.error}"
    return replace(verdict, reason=reason)


def _named(verdict: Verdict) -> Evaluation.Verdict:
    if not verdict.judged:
        return Evaluation.Verdict.TOO_FEW_TASKS
    return Evaluation.Verdict.PASSED if verdict.passes else _HELD_BACK


def _tasks(version: ModelVersion, other: ModelVersion | None) -> list[AnnotatedTask]:
    """Return the held-out tasks that neither version was trained on.

    None if it is not known here what the other one was trained on, as in a copied
    project.
    """
    snapshots = Snapshot.objects.select_related("project").filter(
        project=version.project_id
    )
    held_out = held_out_tasks(snapshots.get(digest=version.snapshot_digest))
    if other is None or not other.trained:
        return held_out[:TASKS_MAX]
    learned_from = snapshots.filter(digest=other.snapshot_digest).first()
    if learned_from is None:
        return []
    trained = trained_task_ids(learned_from)
    return [task for task in held_out if task.id not in trained][:TASKS_MAX]


def _measure_by_turns(
    running: RunningJob[Evaluation],
    project: Project,
    new: Measured,
    old: Measured,
    tasks: list[AnnotatedTask],
) -> None:
    """Let both versions predict, by turns: a busy machine slows down both alike.

    Raises:
        ModelNotLoadable: The old version cannot be loaded.
        AttemptFailed, JobFailed: The new one cannot, or the evaluation cannot go on.
    """
    running.job.done, running.job.total = 0, 2 * len(tasks)
    running.job.message = (
        f"{new.version} and {old.version} predict {len(tasks)} held-out tasks"
    )
    running.save()
    measuring_new = _measuring(running, project, new, tasks)
    measuring_old = _measuring(running, project, old, tasks)
    for turn in range(1, _TURNS + 1):
        until = ceil(len(tasks) * turn / _TURNS)
        with _must_load(running.job.version, project):
            _take_turn(running, measuring_new, until)
        _take_turn(running, measuring_old, until)
    for each in (new, old):
        if each.failed:
            count = len(each.failed)
            running.log(f"{each.version} failed on {count} tasks: {each.error}")


class _Measuring(NamedTuple):
    """A version that is being measured."""

    serving: Served
    so_far: Measured
    calls: Iterator[None]  # of the model, one after the other


def _measuring(
    running: RunningJob[Evaluation],
    project: Project,
    measured: Measured,
    tasks: list[AnnotatedTask],
) -> _Measuring:
    serving = Served(project.pk, measured.version, project.label_config)
    origin = job_origin(running.job)
    calls = measure(serving, tasks, into=measured, origin=origin, on_wait=running.save)
    return _Measuring(serving, measured, calls)


def _take_turn(
    running: RunningJob[Evaluation], measuring: _Measuring, until: int
) -> None:
    """Let a version predict until it has done so many tasks.

    A call has more than are left in its turn if the model is fast.
    """
    serving, measured, calls = measuring
    if len(measured.scores) >= until:
        return
    by_other = running.job.done - len(measured.scores)
    # So that its next prediction does not wait for that.
    load(
        serving,
        job_origin(running.job),
        kind=Prediction.Kind.SHADOW,
        on_wait=running.save,
    )
    try:
        for _ in calls:
            running.job.done = by_other + len(measured.scores)
            running.save()
            if len(measured.scores) >= until:
                return
    except GivenUp as error:
        # The process of the models may also end for another reason than this version.
        crashed = isinstance(error.cause, ModelCrashed)
        raise (AttemptFailed if crashed else JobFailed)(str(error)) from error
    running.job.done = by_other + len(measured.scores)  # of those given up as well


def _name(version: ModelVersion | None) -> str:
    return version.version if version else INITIAL_VERSION
