"""Predicts the tasks of a job in steps."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from django.db.models import Count, Max

from lsml.audit.models import Prediction
from lsml.dataset.models import Task
from lsml.inference.answers import TaskPrediction
from lsml.inference.bulk.batch import Batch, Kind
from lsml.inference.bulk.calls import Calls, Found, Pause, Step, calls_at_once
from lsml.inference.bulk.delivery import Delivery, forget_unsettled, settle
from lsml.inference.bulk.jobs import NEEDS_LABEL_STUDIO, kind
from lsml.inference.bulk.removal import (
    remove_older_versions,
    remove_version,
    restore_shown_version,
    served_now,
)
from lsml.inference.bulk.selection import look_at_view, selected
from lsml.inference.errors import ModelBusy, ModelCrashed, ModelError, ModelTimedOut
from lsml.inference.models import PredictionJob
from lsml.inference.services import Predicted, predict
from lsml.inference.steps import next_step
from lsml.inference.withheld import recorded_among, withheld_among
from lsml.jobs.errors import JobFailed, storable
from lsml.jobs.outcomes import job_origin
from lsml.jobs.running import RunningJob, run_job
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.errors import WireError
from lsml.labelstudio.failures import LabelStudioError
from lsml.labelstudio.requests import PredictRequest
from lsml.labelstudio.stored_predictions import TasksWithVersion
from lsml.labelstudio.validation import PredictionValidator
from lsml.model_process.errors import ModelProcessUnavailable
from lsml.registry.errors import StorageUnavailable
from lsml.registry.label_studio import (
    SETTINGS_NEEDED,
    configured_label_studio,
    same_project,
)

STEP = 100  # tasks per call of predict(), at most
_FIRST_STEP = 10

OnStep = Callable[[PredictionJob], None]


def predict_all(job_id: int, *, on_step: OnStep | None = None) -> None:
    """Run a job to its end; return at once if another process has it.

    Args:
        job_id: The job.
        on_step: Called with the job after each step.
    """

    def work(running: RunningJob[PredictionJob]) -> dict[str, Any]:
        try:
            studio = configured_label_studio()
            if studio is None and running.job.needs_label_studio:
                raise JobFailed(NEEDS_LABEL_STUDIO)
            if studio is None:
                _Attempt(running, on_step).run()
            else:
                _SendingAttempt(running, studio, on_step).run()
            running.log(running.job.summary())
            _demand_some_success(running)
        except LabelStudioError as error:
            raise JobFailed(f"{error} {error.next_step}") from error
        return {}

    run_job(kind, job_id, work)


def _demand_some_success(running: RunningJob[PredictionJob]) -> None:
    """Fail a job without a single answer of the model; a retry begins again."""
    job = running.job
    if job.failed and not (job.predicted or job.already_there):
        running.save(last_task_id=0)
        raise JobFailed(f"No task could be predicted. {job.error}")


class _Attempt:
    """One attempt at a job. Its predictions are only recorded here."""

    def __init__(
        self, running: RunningJob[PredictionJob], on_step: OnStep | None
    ) -> None:
        self.running = running
        self.job = running.job
        self.version = ""
        self._on_step = on_step
        self.batch = Batch("", self.job.last_task_id)

    def run(self) -> None:
        """Predict the selected tasks from where the last attempt stopped."""
        self.running.log(
            f"Predictions are only recorded here; to send them, set {SETTINGS_NEEDED}."
        )
        self.predict_rest()

    def predict_rest(self) -> None:
        """Predict the tasks that are not settled, step by step."""
        job = self.job
        forget_unsettled(job)
        job.done = selected(job).filter(pk__lte=job.last_task_id).count()
        self.running.save(done_before=job.done)
        with closing(Calls(self._predict, self._pause)) as self._calls:
            for step, found in self._steps(self._calls):
                self._take_found(step.asked, found)
                asked = {task.pk for task in step.asked}
                self.count_left_out([t for t in step.tasks if t.pk not in asked])
                self.batch.upto = step.tasks[-1].pk
                job.done += len(step.tasks)
                self.after_step()
                if self._on_step:
                    self._on_step(job)

    def _steps(self, calls: Calls) -> Iterator[tuple[Step, Found]]:
        """Start calls for the tasks that are left, and yield what each found."""
        job, upto, size = self.job, self.batch.upto, min(_FIRST_STEP, STEP)
        is_loaded = False
        while True:
            rest = selected(job).filter(pk__gt=upto)
            while calls.has_room and (tasks := list(rest[:size])):
                job.project.refresh_from_db(fields=["archived_at", "withheld_percent"])
                if job.project.archived_at is not None:
                    raise JobFailed(
                        f"{job.project} was archived; predictions stop here."
                    )
                calls.start(tasks, self.to_predict(tasks))
                upto = tasks[-1].pk
                rest = rest.filter(pk__gt=upto)
            if not calls:
                return
            step = calls.next()
            found = step.found.result()
            size = next_step(size, took_s=found.took_s, most=STEP)
            if step.asked and not is_loaded:
                calls.at_once, is_loaded = calls_at_once(job.project), True
            yield step, found

    def to_predict(self, tasks: list[Task]) -> list[Task]:
        """Return those of the tasks that the model gets."""
        return tasks

    def count_left_out(self, tasks: list[Task]) -> None:
        """Count the tasks that the model did not get."""

    def _take_found(self, tasks: list[Task], found: Found) -> None:
        """Add what a call found to the batch."""
        predicted = found.predicted
        if isinstance(predicted, ModelTimedOut | ModelCrashed) and len(tasks) > 1:
            # One of them is the cause, if not one of another call.
            self._calls.wait_for_all()
            self.running.log(
                f"{predicted} The {len(tasks)} tasks are tried one by one."
            )
            for task in tasks:
                self._take_found([task], self._calls.call([task], self._pause))
        elif isinstance(predicted, ModelError):  # recorded; the next may succeed
            self._count_failed(tasks, predicted)
        elif predicted is not None:
            self.job.model_version = predicted.model_version
            self.take(tasks, predicted)

    def take(self, tasks: list[Task], predicted: Predicted) -> None:
        """Add the model's answers to the batch."""
        self.batch.counts["predicted"] += len(tasks)

    def after_step(self) -> None:
        """Write what is done."""
        settle(
            self.running,
            self.batch.counts,
            upto=self.batch.upto,
            rows=self.batch.problems,
        )
        self.batch = Batch(self.version, self.batch.upto)

    def _count_failed(self, tasks: list[Task], error: ModelError) -> None:
        for task in tasks:
            self.batch.add_problem(self.job, task.task_id, Kind.FAILED, str(error))
        self.job.error = storable(str(error))
        ids = ", ".join(str(task.task_id) for task in tasks[:5])
        more = ", …" if len(tasks) > 5 else ""
        self.running.log(f"{len(tasks)} tasks failed ({ids}{more}): {error}")

    def _pause(self, seconds: float) -> None:
        self.running.save()  # ends here if the job was cancelled
        time.sleep(seconds)

    def _predict(self, tasks: list[Task], pause: Pause) -> Predicted:
        order = PredictRequest(
            tasks=[{"id": task.task_id, "data": task.data} for task in tasks],
            project=self.job.project.key,
            label_config=None,
            context=None,
        )
        origin = job_origin(self.job)
        while True:
            try:
                return predict(order, origin=origin, kind=Prediction.Kind.BULK)
            except (ModelBusy, ModelProcessUnavailable, StorageUnavailable) as error:
                pause(error.retry_after_s)


class _SendingAttempt(_Attempt):
    """One attempt at a job whose predictions are sent to Label Studio."""

    def __init__(
        self,
        running: RunningJob[PredictionJob],
        studio: LabelStudio,
        on_step: OnStep | None,
    ) -> None:
        super().__init__(running, on_step)
        self._studio = studio
        self._delivery = Delivery(running, studio)
        self._there = TasksWithVersion(frozenset())
        self._withheld: set[int] = set()  # predicted, but not to be sent
        self._validator: PredictionValidator | None = None

    def run(self) -> None:
        """Predict the selected tasks that lack the served version, and send them."""
        try:
            restore_shown_version(self.job, self._studio)
            self._delivery.resume()
            self.batch = Batch("", self.job.last_task_id)
            look_at_view(self.running, self._studio)
            self._prepare()
            if self._there.are_all:
                self._skip_rest()
            self.predict_rest()
            self._delivery.deliver(self.batch)
            self._delivery.finish()
            restore_shown_version(self.job, self._studio)
            if self.job.delete_older:
                remove_older_versions(self.running, self._studio)
        finally:
            self._delivery.close()

    def _prepare(self) -> None:
        project = self.job.project
        version = served_now(project)
        config = same_project(self._studio, project).get("label_config")
        try:
            self._validator = PredictionValidator(str(config or ""))
        except WireError as error:
            self.running.log(f"Predictions are not validated: {error}")
        if self.job.replace:
            remove_version(self.running, self._studio, version, then=version)
            self.running.save(replace=False)  # done once, however often it resumes
        self._use(version)

    def _skip_rest(self) -> None:
        rest = selected(self.job).filter(pk__gt=self.batch.upto)
        found = rest.aggregate(count=Count("pk"), last=Max("pk"))
        self.batch.counts["already_there"] += found["count"]
        self.batch.upto = found["last"] or self.batch.upto
        settle(self.running, self.batch.counts, upto=self.batch.upto)
        self.batch = Batch(self.version, self.batch.upto)

    def _use(self, version: str) -> None:
        """Ask which tasks lack the version, and fill a batch of it from now on."""
        self.version = version
        self.batch = Batch(version, self.batch.upto)
        newest = selected(self.job).aggregate(newest=Max("task_id"))["newest"] or 0
        self._there = self._delivery.stored.tasks_with(version, newest=newest)

    def to_predict(self, tasks: list[Task]) -> list[Task]:
        """Return those that lack the version and were not predicted without showing."""
        lacking = [task for task in tasks if task.task_id not in self._there]
        project = self.job.project
        withheld = withheld_among(
            (task.task_id for task in lacking),
            project_pk=project.pk,
            percent=project.withheld_percent,
        )
        if withheld:
            self._withheld |= recorded_among(
                withheld, project_pk=project.pk, version=self.version
            )
        return [task for task in lacking if task.task_id not in self._withheld]

    def count_left_out(self, tasks: list[Task]) -> None:
        """Count what is in Label Studio, or was predicted before and is not shown."""
        withheld = sum(task.task_id in self._withheld for task in tasks)
        self.batch.counts["withheld"] += withheld
        self.batch.counts["already_there"] += len(tasks) - withheld

    def take(self, tasks: list[Task], predicted: Predicted) -> None:
        """Add the answers that Label Studio can store to the batch."""
        answers = dict(zip(tasks, predicted.by_task, strict=True))
        if predicted.model_version != self.version:
            self._change_version(predicted.model_version)
            there = [task for task in tasks if task.task_id in self._there]
            self.count_left_out(there)
            tasks = [task for task in tasks if task.task_id not in self._there]
        super().take(tasks, predicted)
        for task in tasks:
            self.batch.counts["withheld"] += task.task_id in predicted.withheld
            self._add(task.task_id, answers[task])

    def _change_version(self, version: str) -> None:
        self.running.log(
            f"The served version changed from {self.version} to {version}. The tasks"
            f" from here on get {version}; run again for those before."
        )
        self._delivery.deliver(self.batch)
        self._use(version)

    def _add(self, task_id: int, predictions: list[TaskPrediction]) -> None:
        wire = [each.as_wire(self.version) for each in predictions]
        for each in wire:
            problem = self._validator.problem(each) if self._validator else ""
            if problem:
                self.batch.add_problem(self.job, task_id, Kind.INVALID, problem)
                return
        if wire:
            self.batch.add(task_id, wire)

    def after_step(self) -> None:
        """Send the batch if it is full, and write what is done."""
        if self.batch.is_full:
            self._delivery.deliver(self.batch)
            self.batch = Batch(self.version, self.batch.upto)
        else:
            self._delivery.settle_finished()
            self.running.save()
