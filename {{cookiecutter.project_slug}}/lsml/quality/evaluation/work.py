"""Carries out an evaluation: two versions predict the same tasks and are compared."""

from dataclasses import replace
from typing import Any, Final

from label_studio_ml.training import AnnotatedTask
from lsml.dataset.holdout import held_out_tasks, trained_task_ids
from lsml.dataset.models import Snapshot
from lsml.inference.errors import GivenUp, ModelCrashed, ModelNotLoadable
from lsml.jobs.errors import AttemptFailed, JobFailed
from lsml.jobs.outcomes import job_origin
from lsml.jobs.running import RunningJob, run_job
from lsml.quality.evaluation.jobs import kind
from lsml.quality.evaluation.measuring import Measured, measure
from lsml.quality.evaluation.models import Evaluation
from lsml.quality.evaluation.report import report, task_scores
from lsml.quality.gates.rules import Gate, Verdict, judge
from lsml.registry.fallback import mark_unloadable
from lsml.registry.models import INITIAL_VERSION, ModelVersion, Project
from lsml.registry.served import Served

_BETTER: Final = Project.PromotionPolicy.BETTER
TASKS_MAX: Final = 2_000  # more would not make the intervals noticeably narrower


def evaluate(evaluation_id: int) -> None:
    """Run an evaluation to its end; return at once if another process has it."""
    run_job(kind, evaluation_id, _evaluate)


def _evaluate(running: RunningJob[Evaluation]) -> dict[str, Any]:
    evaluation = running.job
    version = evaluation.version
    project = Project.objects.select_related("active_version").get(
        pk=evaluation.project_id
    )
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
    running.job.total = 2 * len(tasks)
    try:
        new = _measure(running, project, version, tasks, before=0)
    except ModelNotLoadable as error:
        if version.pk != project.active_version_id:  # it may well load in web
            mark_unloadable(version, str(error))
        raise JobFailed(f"{version.version} cannot be loaded: {error}") from error
    try:
        old = _measure(running, project, other, tasks, before=len(tasks))
    except ModelNotLoadable as error:
        old = Measured(_name(other))
        old.fail(tasks, str(error))
    verdict = _judge(project, new, old)
    running.log(verdict.reason)
    return {
        "compared_with": other,
        "verdict": _named(verdict),
        "reason": verdict.reason,
        "task_count": len(tasks),
        "report": report(new, old, verdict),
        "task_scores": task_scores(new, old),
    }


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


def gate_of(project: Project) -> Gate:
    """Return a project's promotion policy as the rule that it applies."""
    return Gate(
        rule="better" if project.promotion_policy == _BETTER else "not_worse",
        margin=project.gate_margin / 100,
        min_tasks=project.gate_min_tasks,
        label_margin=project.gate_label_margin / 100,
        latency_factor=project.gate_latency_factor,
    )


def _named(verdict: Verdict) -> Evaluation.Verdict:
    if not verdict.judged:
        return Evaluation.Verdict.TOO_FEW_TASKS
    return Evaluation.Verdict.PASSED if verdict.passes else Evaluation.Verdict.HELD_BACK


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


def _measure(
    running: RunningJob[Evaluation],
    project: Project,
    version: ModelVersion | None,
    tasks: list[AnnotatedTask],
    *,
    before: int,
) -> Measured:
    name = _name(version)
    running.job.message = f"{name} predicts {len(tasks)} held-out tasks"
    running.save()

    def progressed(done: int) -> None:
        running.job.done = before + done
        running.save()

    serving = Served(project.pk, name, project.label_config)
    origin = job_origin(running.job)
    try:
        measured = measure(serving, tasks, origin=origin, on_progress=progressed)
    except GivenUp as error:
        # The process of the models may also end for another reason than this version.
        crashed = isinstance(error.cause, ModelCrashed)
        raise (AttemptFailed if crashed else JobFailed)(str(error)) from error
    if measured.failed:
        count = len(measured.failed)
        running.log(f"{name} failed on {count} tasks: {measured.error}")
    return measured


def _name(version: ModelVersion | None) -> str:
    return version.version if version else INITIAL_VERSION
