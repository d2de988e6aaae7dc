"""Brings predictions into Label Studio exactly once.

Label Studio stores all predictions of a POST in one transaction, or none, but has no
way to recognise a repeated one. So the job's row says what is about to be sent, and
whoever does not know how a POST ended asks Label Studio before sending anything again.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from functools import partial
from typing import Final

from django.db.models.functions import Now

from lsml.dataset.models import Task
from lsml.inference.bulk.batch import Batch, Kind
from lsml.inference.models import PredictionJob, PredictionProblem
from lsml.jobs.errors import JobFailed
from lsml.jobs.running import JobCancelled, RunningJob, WorkerStops
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.failures import InvalidTask, LabelStudioError, OutcomeUnknown
from lsml.labelstudio.stored_predictions import StoredPredictions

# After so long, a POST that has not stored anything will not do so any more. The client
# waits half as long for the answer.
LONGEST_POST_S = 600
_POLL_S = 2.0
# A worker that was suspended in between does not send: another may have the job now.
_SEND_WITHIN_S = 30.0
_POSTS_MAX = 3  # of the same predictions, if Label Studio does not store them
_WAIT_S = 0.5  # also how soon a cancellation is noticed
_NOTHING_SENT: Final = {"sending": None, "sending_at": None}


class _TooLate(Exception):
    """The POST was not sent, because too much time passed since the mark."""


class Delivery:
    """Sends the batches of one job, one at a time, in a thread of its own."""

    def __init__(self, running: RunningJob[PredictionJob], studio: LabelStudio) -> None:
        self._running = running
        self._job = running.job
        self._studio = studio
        self._project_id = self._job.project.labelstudio_id
        self.stored = StoredPredictions(studio, self._project_id)
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._under_way: tuple[Batch, Future[int]] | None = None
        # POSTs of the batch under way that did not say how they ended.
        self._unknown = 0

    def resume(self) -> None:
        """Find out how POSTs ended whose worker or job was interrupted."""
        unknown = PredictionJob.objects.filter(
            project=self._job.project, sending_at__isnull=False
        )
        for job in unknown.order_by("pk"):
            sent = job.sending
            self._running.log(
                "It is not known whether Label Studio stored"
                f" {len(sent['tasks'])} tasks that an interrupted job sent; asking."
            )
            stored = self._was_stored(job.pk, sent["version"], sent["tasks"])
            found = "It did." if stored else "It did not store all of them."
            self._running.log(found)
            if job.pk != self._job.pk:
                PredictionJob.objects.filter(pk=job.pk).update(**_NOTHING_SENT)
            elif stored:
                self._job.model_version = sent["version"]
                settle(self._running, sent["counts"], upto=sent["upto"])
            else:
                self._running.save(**_NOTHING_SENT)

    def deliver(self, batch: Batch) -> None:
        """Send a batch, after the one before is settled; does not wait for its end."""
        self.finish()
        self._unknown = 0
        self._send_or_settle(batch)

    def settle_finished(self) -> None:
        """Settle the batch under way if Label Studio has answered."""
        if self._under_way is not None and self._under_way[1].done():
            self.finish()

    def finish(self) -> None:
        """Wait until the batch under way is settled.

        Raises:
            LabelStudioError: It is not stored.
            OutcomeUnknown: It may be stored; the job's row says what was sent.
            JobFailed: Label Studio stored something else than what was sent.
        """
        while self._under_way is not None:
            batch, post = self._under_way
            if self._is_stored(batch, post):
                batch.counts["sent"] += len(batch.predictions)
                batch.predictions.clear()
            self._send_or_settle(batch)

    def close(self) -> None:
        """Let go of a POST that is still under way; the job's row knows of it."""
        self._thread.shutdown(wait=False)

    def _send_or_settle(self, batch: Batch) -> None:
        # While the batch was predicted, annotators may have opened some of its tasks;
        # then Label Studio has asked for predictions of these itself.
        if batch.predictions:
            self._leave_out_stored(batch, count_as="already_there")
        if batch.predictions:
            self._send(batch)
        else:
            self._under_way = None
            settle(self._running, batch.counts, upto=batch.upto, rows=batch.problems)

    def _send(self, batch: Batch) -> None:
        """Write what is about to be sent, with the fence, and then send it."""
        sending = {
            "version": batch.version,
            "upto": batch.upto,
            "tasks": list(batch.predictions),
            "counts": batch.counts + Counter(sent=len(batch.predictions)),
        }
        rows, batch.problems = batch.problems, []
        try:
            self._running.save(
                also=partial(_keep, self._job, rows), sending=sending, sending_at=Now()
            )
        except (JobCancelled, WorkerStops):  # marked, but not sent
            self._running.save(**_NOTHING_SENT)
            raise
        post = self._thread.submit(self._post, batch.body(), _clock())
        self._under_way = (batch, post)

    def _post(self, body: bytes, marked: float) -> int:
        if _clock() - marked > _SEND_WITHIN_S:
            raise _TooLate
        return self._studio.import_predictions(self._project_id, body)

    def _is_stored(self, batch: Batch, post: Future[int]) -> bool:
        """Wait for the answer. False: what is left of the batch must be sent again."""
        while not wait([post], timeout=_WAIT_S).done:
            self._running.save()  # ends here if the job was cancelled
        try:
            created = post.result()
        except _TooLate:
            return False
        except InvalidTask as error:
            self._leave_out_gone(batch, error)
            return not batch.predictions
        except OutcomeUnknown as error:
            return self._was_stored_after_all(batch, error)
        except LabelStudioError:
            self._running.save(**_NOTHING_SENT)
            raise
        self._compare(batch, created)
        return True

    def _was_stored_after_all(self, batch: Batch, error: OutcomeUnknown) -> bool:
        self._running.log(f"{error} Asking whether it did.")
        if self._was_stored(self._job.pk, batch.version, list(batch.predictions)):
            return True
        self._leave_out_stored(batch, count_as="sent")
        self._running.log(f"Label Studio lacks {len(batch.predictions)} tasks of them.")
        self._unknown += 1
        if batch.predictions and self._unknown == _POSTS_MAX:
            raise error
        return not batch.predictions

    def _was_stored(self, job_pk: int, version: str, ids: list[int]) -> bool:
        """Ask until all tasks of a POST have the version, or none can appear any more.

        A single task says nothing: if an annotator opens it, Label Studio stores a
        prediction of its own. And some versions of it store a POST in several parts.
        """
        since = Now() - timedelta(seconds=LONGEST_POST_S)
        recent = PredictionJob.objects.filter(pk=job_pk, sending_at__gt=since)
        while True:
            may_still_appear = recent.exists()
            try:
                # The first question costs little, the second a listing at worst.
                last_has = self.stored.has(version, task=ids[-1])
                if last_has and self.stored.all_have(version, ids):
                    return True
            except LabelStudioError:
                if not may_still_appear:
                    raise
            if not may_still_appear:
                return False
            self._running.save()
            time.sleep(_POLL_S)

    def _leave_out_gone(self, batch: Batch, error: InvalidTask) -> None:
        ids = list(batch.predictions)
        there = self.stored.existing_between(first=min(ids), last=max(ids))
        gone = [task_id for task_id in ids if task_id not in there]
        if not gone:
            self._running.save(**_NOTHING_SENT)
            raise error
        for task_id in gone:
            del batch.predictions[task_id]
            reason = "The task does not exist in Label Studio's project any more."
            batch.add_problem(self._job, task_id, Kind.GONE, reason)
        self._running.log(f"{len(gone)} tasks were deleted in Label Studio.")

    def _leave_out_stored(self, batch: Batch, *, count_as: str) -> None:
        ids = list(batch.predictions)
        for task_id in self.stored.with_version_among(batch.version, ids):
            del batch.predictions[task_id]
            batch.counts[count_as] += 1

    def _compare(self, batch: Batch, created: int) -> None:
        """Name the tasks whose predictions Label Studio dropped.

        Raises:
            JobFailed: They do not explain the number that it stored.
        """
        sent = batch.prediction_count()
        if created == sent:
            return
        self._leave_out_stored(batch, count_as="sent")
        dropped, lacking = batch.prediction_count(), len(batch.predictions)
        for task_id in batch.predictions:
            reason = "Label Studio did not store it, and gave no reason. See its log."
            batch.add_problem(self._job, task_id, Kind.INVALID, reason)
        batch.predictions.clear()
        if created + dropped != sent:
            self._running.save(**_NOTHING_SENT)
            raise JobFailed(
                f"Label Studio stored {created} of {sent} predictions, and {lacking}"
                f" tasks have none of {batch.version}. See Label Studio's own log."
            )


def settle(
    running: RunningJob[PredictionJob],
    counts: Mapping[str, int],
    *,
    upto: int,
    rows: Iterable[PredictionProblem] = (),
) -> None:
    """Write the counts and problems of all tasks up to `upto`, with the fence."""
    job = running.job
    for name, count in counts.items():
        setattr(job, name, getattr(job, name) + count)
    job.last_task_id = upto
    running.save(
        also=partial(_keep, job, list(rows)),
        last_task_id=upto,
        model_version=job.model_version,
        error=job.error,
        **{name: getattr(job, name) for name in PredictionJob.COUNTS},
        **_NOTHING_SENT,
    )


def forget_unsettled(job: PredictionJob) -> None:
    """Remove the problems of tasks that are predicted again."""
    tasks = Task.objects.filter(project=job.project_id, pk__gt=job.last_task_id)
    job.problems.filter(task_id__in=tasks.values("task_id")).delete()


def _clock() -> float:
    """Return seconds that also pass while the machine is suspended, if it can tell."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _keep(job: PredictionJob, rows: list[PredictionProblem]) -> None:
    if rows:
        room = PredictionProblem.KEPT_MAX - job.problems.count()
        PredictionProblem.objects.bulk_create(
            rows[: max(0, room)], ignore_conflicts=True
        )
