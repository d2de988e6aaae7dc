"""What can be wrong: one function for each kind of alarm.

To add a kind: its name in `Alarm.Kind`, a function here, and its entry in CONDITIONS.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from django.db.models import QuerySet

from lsml.audit.lag import overdue_after, sealing_lag_s
from lsml.inference.placement import is_down
from lsml.jobs.workers import answering_workers, queues
from lsml.model_process.processes import SERVING, model_processes
from lsml.quality.alarms.failing import failing_predictions
from lsml.quality.alarms.models import Alarm
from lsml.quality.drift.services import drifting
from lsml.quality.evaluation.attention import failed_last, held_back_last
from lsml.quality.live.watching import drops
from lsml.quality.validity.counts import invalid_answers_of_served
from lsml.registry.models import INITIAL_VERSION, Following, ModelVersion, Project
from lsml.registry.versions import rolled_back_by_policy
from lsml.training.attention import failed_last_runs, stuck_inboxes

_ERROR_CHARS_MAX: Final = 200
_REASON_CHARS_MAX: Final = 400  # of a decision; it may end with an error of the model

# Of failing predictions: the share of errors that opens an alarm, and the one from
# which on it stays open.
_FAILING_OPENS: Final = 0.10
_FAILING_STAYS: Final = 0.05
_FAILING_MIN: Final = 3  # errors, so that one task that the model fails on opens none


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now."""

    sentence: str
    next_step: str
    project: Project | None = None  # None = it concerns the whole service
    subject: str = ""  # tells apart what may be wrong twice at once
    opens: bool = True  # False = keeps an alarm open, but opens none


def _failing_predictions(now: datetime) -> Iterator[Condition]:
    for each in failing_predictions(now):
        share = each.errors / each.predictions
        if share < _FAILING_STAYS:
            continue
        yield Condition(
            f"{each.errors} of the last {each.predictions} predictions of"
            f" {each.version} failed.",
            "Look at their errors; roll back if the version before had none.",
            each.project,
            each.version,
            opens=share >= _FAILING_OPENS and each.errors >= _FAILING_MIN,
        )


def _invalid_answers(now: datetime) -> Iterator[Condition]:
    projects = _projects().annotate(invalid_answers=invalid_answers_of_served(now))
    for project in projects.exclude(invalid_answers=None):
        answers = project.invalid_answers
        yield Condition(
            f"{answers['invalid']} of {answers['checked']} checked answers of"
            f" {project.served_version} do not fit the label config.",
            "Correct model.py; the project's page has an example.",
            project,
            project.served_version,
        )


def _lost_labels(now: datetime) -> Iterator[Condition]:
    lost = _projects().exclude(active_version=None)
    for project in lost.exclude(active_version__missing_labels=[]):
        yield Condition(
            f"The config has lost labels of {project.served_version}.",
            "Add them again in Label Studio, or train a version without them.",
            project,
            project.served_version,
        )


def _projects() -> QuerySet[Project]:
    return (
        Project.objects.filter(archived_at=None)
        .select_related("active_version")
        .only("title", "labelstudio_id", "active_version__version")
    )


def _failed_run(now: datetime) -> Iterator[Condition]:
    for run in failed_last_runs():
        yield Condition(
            f"Run {run.pk} failed: {run.error[:_ERROR_CHARS_MAX]}",
            "Read its log, correct the cause, and retry the run.",
            run.project,
        )


def _version_held_back(now: datetime) -> Iterator[Condition]:
    for evaluation in held_back_last():
        yield Condition(
            f"{evaluation.version.version} was held back:"
            f" {evaluation.reason[:_REASON_CHARS_MAX]}",
            "Compare both versions on the project's page; promote it by hand if you"
            " disagree.",
            evaluation.project,
            evaluation.version.version,
        )


def _version_rolled_back(now: datetime) -> Iterator[Condition]:
    for promotion in rolled_back_by_policy():
        before = cast("ModelVersion", promotion.from_version)  # it was rolled back
        after = promotion.to_version
        name = after.version if after else INITIAL_VERSION
        yield Condition(
            f"{before.version} was rolled back to {name}: {promotion.reason}",
            "Compare both versions on the project's page; promote it by hand if you"
            " disagree.",
            promotion.project,
            before.version,
        )


def _evaluation_failed(now: datetime) -> Iterator[Condition]:
    for evaluation in failed_last():
        yield Condition(
            f"The evaluation of {evaluation.version.version} failed, so it was not"
            f" promoted: {evaluation.error[:_ERROR_CHARS_MAX]}",
            "Correct the cause and retry the evaluation, or promote the version by"
            " hand.",
            evaluation.project,
            evaluation.version.version,
        )


def _agreement_dropped(now: datetime) -> Iterator[Condition]:
    for drop in drops():
        yield Condition(
            str(drop),
            "Look at what was annotated differently; roll back if the version is the"
            " cause.",
            drop.project,
            drop.version,
        )


def _drift(now: datetime) -> Iterator[Condition]:
    for check in drifting(now):
        yield Condition(
            check.summary,
            "Look at the latest tasks; annotate some of them and train, if they are"
            " what will come.",
            check.project,
            check.model_version,
        )


def _events_waiting(now: datetime) -> Iterator[Condition]:
    for inbox in stuck_inboxes(now):
        yield Condition(
            f"Events waiting since {inbox.since:%Y-%m-%d %H:%M} UTC; no run has taken"
            " them.",
            "Check that a worker with the queue “default” runs, and read its log.",
            inbox.project,
        )


def _not_following(now: datetime) -> Iterator[Condition]:
    behind = Following.objects.filter(project__archived_at=None).exclude(problem="")
    for following in behind.select_related("project").defer(*_LARGE):
        yield Condition(
            following.problem,
            "Until then, predictions or the order of tasks in Label Studio are those of"
            " an earlier version.",
            following.project,
        )


_LARGE: Final = ("project__label_config", "project__extra_params")


def _sealing_late(now: datetime) -> Iterator[Condition]:
    lag = timedelta(seconds=sealing_lag_s())
    if lag > overdue_after() / 2:
        yield Condition(
            "The audit log is not being sealed: a row has waited for"
            f" {lag.total_seconds():.0f} s.",
            "Check that beat and a worker with the queue “scheduled” run, and that no"
            " transaction stays open.",
            opens=lag > overdue_after(),
        )


def _model_process_down(now: datetime) -> Iterator[Condition]:
    for process in filter(is_down, model_processes()):
        yield Condition(
            f"The {process.name} does not answer: {process.without}.",
            "Start or restart it, and read its log.",
            subject="" if process is SERVING else process.name,
        )


def _no_worker(now: datetime) -> Iterator[Condition]:
    taken = set().union(*answering_workers().values())
    for queue in queues():
        if queue not in taken:
            yield Condition(
                f"No worker takes messages of the queue “{queue}”.",
                f"Start a worker with --queues {queue}: docs/training.md, Workers.",
                subject=queue,
            )


CONDITIONS: Final[dict[Alarm.Kind, Callable[[datetime], Iterable[Condition]]]] = {
    Alarm.Kind.FAILING_PREDICTIONS: _failing_predictions,
    Alarm.Kind.INVALID_ANSWERS: _invalid_answers,
    Alarm.Kind.LOST_LABELS: _lost_labels,
    Alarm.Kind.FAILED_RUN: _failed_run,
    Alarm.Kind.VERSION_HELD_BACK: _version_held_back,
    Alarm.Kind.VERSION_ROLLED_BACK: _version_rolled_back,
    Alarm.Kind.EVALUATION_FAILED: _evaluation_failed,
    Alarm.Kind.AGREEMENT_DROPPED: _agreement_dropped,
    Alarm.Kind.DRIFT: _drift,
    Alarm.Kind.EVENTS_WAITING: _events_waiting,
    Alarm.Kind.NOT_FOLLOWING: _not_following,
    Alarm.Kind.SEALING_LATE: _sealing_late,
    Alarm.Kind.MODEL_PROCESS_DOWN: _model_process_down,
    Alarm.Kind.NO_WORKER: _no_worker,
}
