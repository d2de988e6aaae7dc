"""Bulk predictions in Label Studio: each once, whatever is run again or killed."""

import sys
from io import StringIO
from itertools import chain, repeat

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from lsml.dataset.models import Annotation
from lsml.inference.bulk import delivery, work
from lsml.inference.models import PredictionJob
from lsml.jobs.errors import JobRefused
from lsml.jobs.services import request_cancel, retry
from lsml.labelstudio.client import LabelStudio
from lsml.registry import served
from lsml.registry.models import ModelVersion
from tests.db.bulk.conftest import IDS, VERSION, annotate, counts, lose_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def short_posts(monkeypatch):
    """What has not appeared at once will not appear any more."""
    monkeypatch.setattr(delivery, "LONGEST_POST_S", 0.05)


# --- Run again ---


def test_predictions_are_sent_in_few_posts(run, studio):
    job = run()
    assert (job.state, counts(job)) == ("succeeded", {"predicted": 10, "sent": 10})
    assert studio.each_once(VERSION)
    assert studio.import_count() == 3
    assert studio.listed() == 0


def test_running_it_again_adds_nothing_and_ends_without_a_listing(run, studio):
    run()
    again = run()
    assert (again.state, again.done, counts(again)) == (
        "succeeded", 10, {"already_there": 10},
    )  # fmt: skip
    assert studio.each_once(VERSION)
    assert studio.listed() == 0


@pytest.mark.parametrize("there", [2, 8])
def test_only_the_tasks_without_the_version_are_predicted(run, studio, there):
    studio.predictions = [(number, VERSION) for number in IDS[:there]]
    job = run()
    expected = {"predicted": 10 - there, "sent": 10 - there, "already_there": there}
    assert counts(job) == expected
    assert studio.each_once(VERSION)


def test_a_version_whose_name_contains_this_one_is_another(run, studio):
    studio.predictions = [(number, f"{VERSION}0") for number in IDS]
    studio.predictions += [(IDS[0], VERSION)]
    assert counts(run()) == {"predicted": 9, "sent": 9, "already_there": 1}
    assert all(studio.versions_of(number).count(VERSION) == 1 for number in IDS)


# --- Interrupted ---


def die(monkeypatch, *, stored):
    """End the worker once, before or after Label Studio stores its first POST."""
    original, times = LabelStudio.import_predictions, []

    def killed(self, project_id, predictions):
        if times:
            return original(self, project_id, predictions)
        times.append(1)
        if stored:
            original(self, project_id, predictions)
        raise KeyboardInterrupt

    monkeypatch.setattr(LabelStudio, "import_predictions", killed)


@pytest.mark.parametrize("stored", [True, False])
def test_a_worker_killed_during_a_post_doubles_and_loses_nothing(
    start, run, studio, constant, monkeypatch, stored
):
    if not stored:
        monkeypatch.setattr(delivery, "LONGEST_POST_S", 0.05)
    job = start()
    die(monkeypatch, stored=stored)
    with pytest.raises(KeyboardInterrupt):
        work.predict_all(job.pk)
    lose_worker()
    job = run(job)
    assert (job.state, job.done) == ("succeeded", 10)
    assert (job.sent, job.sending, job.sending_at) == (10, None, None)
    assert studio.each_once(VERSION)


def test_a_new_job_waits_for_the_post_of_a_cancelled_one(
    start, run, studio, constant, monkeypatch, origin
):
    job = start()
    die(monkeypatch, stored=False)
    with pytest.raises(KeyboardInterrupt):
        work.predict_all(job.pk)
    lose_worker()
    request_cancel(job, actor="olga", reason="enough", origin=origin)
    sent = PredictionJob.objects.get().sending
    assert sent["tasks"] == [101, 102, 103, 104]
    studio.late = [(number, VERSION) for number in IDS[:4]]
    job.refresh_from_db()
    again = run(retry(job, actor="olga", origin=origin))
    assert counts(again) == {"predicted": 6, "sent": 6, "already_there": 4}
    assert studio.each_once(VERSION)


@pytest.mark.parametrize("end", ["lost", "late", "never"])
def test_a_post_without_an_answer_is_repeated_only_if_it_was_not_stored(
    run, studio, monkeypatch, end
):
    if end == "never":
        monkeypatch.setattr(delivery, "LONGEST_POST_S", 0.05)
    studio.imports = [end]
    job = run()
    assert (job.state, counts(job)) == ("succeeded", {"predicted": 10, "sent": 10})
    assert studio.each_once(VERSION)
    assert studio.import_count() == (4 if end == "never" else 3)


def test_a_post_without_an_answer_is_found_stored_without_a_listing(run, studio):
    studio.imports = ["lost"]
    assert run().state == "succeeded"
    assert studio.listed() == 0


def test_a_task_that_was_deleted_after_its_post_makes_nobody_wait(
    run, studio, monkeypatch
):
    studio.imports = ["lost"]
    original = LabelStudio.import_predictions

    def deleted(self, project_id, predictions):
        try:
            return original(self, project_id, predictions)
        finally:
            studio.tasks.discard(102)

    monkeypatch.setattr(LabelStudio, "import_predictions", deleted)
    assert run().state == "succeeded"
    assert studio.import_count() == 3


def test_a_label_studio_that_stores_nothing_fails_the_job_and_can_be_retried(
    run, studio, origin, short_posts
):
    studio.imports = ["never"] * 3
    job = run()
    assert job.state == "failed"
    assert "did not say whether it completed the request" in job.error
    again = run(retry(job, actor="olga", origin=origin))
    assert again.state == "succeeded"
    assert studio.each_once(VERSION)


def test_a_worker_that_lost_the_job_sends_nothing(start, studio, constant, monkeypatch):
    job = start()

    def overtake(running):
        PredictionJob.objects.update(fence=running.fence + 1)

    work.predict_all(job.pk, on_step=overtake)
    assert studio.import_count() == 0
    assert PredictionJob.objects.get().sending is None


def test_a_job_that_is_cancelled_before_its_post_does_not_make_the_next_one_wait(
    start, run, studio, constant, origin
):
    job = start()

    def cancel(found):
        if found.done == 2:  # the next step fills the first batch
            request_cancel(job, actor="olga", reason="enough", origin=origin)

    work.predict_all(job.pk, on_step=cancel)
    job.refresh_from_db()
    assert (job.state, job.sending, studio.import_count()) == ("cancelled", None, 0)
    assert run(retry(job, actor="olga", origin=origin)).sent == 10


def test_a_worker_that_was_suspended_before_its_post_marks_it_again(
    run, studio, monkeypatch
):
    monkeypatch.setattr(delivery, "_SEND_WITHIN_S", -1.0)
    original = delivery.Delivery._send

    def send(self, each):
        original(self, each)
        self._under_way[1].exception()  # ended without a POST
        monkeypatch.setattr(delivery, "_SEND_WITHIN_S", 30.0)

    monkeypatch.setattr(delivery.Delivery, "_send", send)
    assert run().state == "succeeded"
    assert studio.each_once(VERSION)


@pytest.mark.skipif(sys.platform != "linux", reason="has no such clock")
def test_the_time_before_a_post_includes_a_suspension_of_the_machine(
    run, studio, monkeypatch
):
    # Of the first mark, and one hour later of its POST; time.monotonic() stood still.
    clock = chain([0.0], repeat(3600.0))
    monkeypatch.setattr(delivery.time, "clock_gettime", lambda _clock: next(clock))
    original, marked = delivery.Delivery._send, []

    def send(self, each):
        marked.append(len(each.predictions))
        original(self, each)

    monkeypatch.setattr(delivery.Delivery, "_send", send)
    assert run().state == "succeeded"
    assert marked == [4, 4, 4, 2]
    assert studio.import_count() == 3


# --- An annotator opens a task, so Label Studio stores its prediction itself ---


def open_during_first_post(monkeypatch, studio, task):
    original = LabelStudio.import_predictions

    def opened(self, project_id, predictions):
        try:
            return original(self, project_id, predictions)
        finally:
            if studio.import_count() == 1:
                studio.predictions.append((task, VERSION))

    monkeypatch.setattr(LabelStudio, "import_predictions", opened)


@pytest.mark.parametrize("task", [101, 104], ids=["first", "last"])
def test_one_task_with_the_version_does_not_make_a_lost_post_count_as_stored(
    run, studio, monkeypatch, short_posts, task
):
    studio.imports = ["never"]
    open_during_first_post(monkeypatch, studio, task)
    job = run()
    assert (job.state, counts(job)) == ("succeeded", {"predicted": 10, "sent": 10})
    assert studio.each_once(VERSION)


def test_a_post_that_is_stored_late_is_waited_for_while_one_task_has_the_version(
    run, studio, monkeypatch
):
    studio.imports = ["late"]
    open_during_first_post(monkeypatch, studio, 104)
    job = run()
    assert (job.state, counts(job)) == ("succeeded", {"predicted": 10, "sent": 10})
    assert all(studio.versions_of(n) == [VERSION] for n in IDS if n != 104)


@pytest.mark.parametrize("task", [101, 104], ids=["first", "last"])
def test_one_task_with_the_version_does_not_settle_the_post_of_a_killed_worker(
    start, run, studio, constant, monkeypatch, short_posts, task
):
    job = start()
    die(monkeypatch, stored=False)
    with pytest.raises(KeyboardInterrupt):
        work.predict_all(job.pk)
    lose_worker()
    studio.predictions.append((task, VERSION))
    job = run(job)
    assert job.state == "succeeded"
    assert counts(job) == {"predicted": 9, "sent": 9, "already_there": 1}
    assert studio.each_once(VERSION)


@pytest.mark.parametrize("opened", [{109}, {109, 110}], ids=["some", "all"])
def test_tasks_that_got_the_version_before_their_batch_was_sent_are_left_out(
    start, studio, constant, opened
):
    def open_tasks(found):
        if found.done == 2:
            studio.predictions += [(task, VERSION) for task in opened]

    job = start()
    work.predict_all(job.pk, on_step=open_tasks)
    job.refresh_from_db()
    sent = 10 - len(opened)
    assert job.state == "succeeded"
    assert counts(job) == {
        "predicted": 10, "sent": sent, "already_there": len(opened),
    }  # fmt: skip
    assert studio.each_once(VERSION)


# --- What Label Studio does not take ---


def test_deleted_tasks_are_named_and_the_others_are_sent(run, studio):
    gone = {101, 102, 103, 104, 107}
    studio.tasks -= gone
    job = run()
    assert (job.state, counts(job)) == (
        "succeeded", {"predicted": 10, "sent": 5, "gone": 5},
    )  # fmt: skip
    assert set(job.problems.values_list("task_id", "kind")) == {
        (number, "gone") for number in gone
    }
    assert studio.each_once(VERSION)


def invalid_for(*numbers):
    def answer(_model, tasks):
        choice = {True: "Wrong", False: "Positive"}
        return [
            {
                "result": [
                    {
                        "from_name": "sentiment", "to_name": "text", "type": "choices",
                        "value": {"choices": [choice[task["id"] in numbers]]},
                    }
                ]
            }
            for task in tasks
        ]  # fmt: skip

    return answer


def test_what_does_not_fit_the_label_config_is_named_and_not_sent(
    start, studio, scripted
):
    scripted.answer = invalid_for(103, 110)
    job = start()
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert counts(job) == {"predicted": 10, "sent": 8, "invalid": 2}
    problem = job.problems.get(task_id=103)
    assert problem.kind == "invalid"
    assert "Wrong" in problem.reason
    assert "Positive" in problem.reason
    assert 103 not in {task for task, _ in studio.predictions}


def test_what_label_studio_drops_is_named(run, studio):
    studio.imports = ["drop"]
    job = run()
    assert counts(job) == {"predicted": 10, "sent": 9, "invalid": 1}
    problem = job.problems.get()
    assert (problem.task_id, problem.kind) == (101, "invalid")
    assert "did not store it" in problem.reason


def test_problems_of_a_batch_that_was_not_stored_are_not_kept_twice(
    start, studio, scripted, monkeypatch, short_posts
):
    scripted.answer = invalid_for(101, 110)
    job = start()
    die(monkeypatch, stored=False)
    with pytest.raises(KeyboardInterrupt):
        work.predict_all(job.pk)
    lose_worker()
    scripted.answer = invalid_for(110)
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert counts(job) == {"predicted": 10, "sent": 9, "invalid": 1}
    assert job.problems.get().task_id == 110


# --- Options ---


def test_a_version_promoted_meanwhile_predicts_the_rest(
    start, studio, project, constant
):
    studio.predictions = [(110, "v9")]
    job = start()

    def promote(found):
        if found.done == 6:
            version = ModelVersion.objects.create(
                project=project, number=9, version="v9", created_at=timezone.now()
            )
            project.active_version = version
            project.save()
            # As in a later transaction; here all rows have the same xmin.
            served._remembered.clear()

    work.predict_all(job.pk, on_step=promote)
    job.refresh_from_db()
    assert job.state == "succeeded"
    assert [studio.versions_of(number) for number in IDS] == [
        *[[VERSION]] * 6, *[["v9"]] * 4,
    ]  # fmt: skip
    assert f"changed from {VERSION} to v9" in job.log


def test_only_unlabelled_tasks_are_predicted(run, studio, project):
    now = timezone.now()
    Annotation.objects.create(
        project=project, annotation_id=1, task_id=105, updated_at=now
    )
    Annotation.objects.create(
        project=project, annotation_id=2, task_id=106, updated_at=now, deleted_at=now
    )
    job = run(only="unlabelled")
    assert (job.total, counts(job)) == (9, {"predicted": 9, "sent": 9})
    assert studio.versions_of(105) == []


def test_only_the_named_tasks_are_predicted(run, studio):
    assert run(task_ids=[103, 104, 999]).total == 2
    assert [task for task, _ in studio.predictions] == [103, 104]


def test_replacing_removes_the_predictions_of_this_version_first(run, studio):
    studio.predictions = [(number, VERSION) for number in [*IDS, *IDS]]
    studio.predictions += [(101, "v0")]
    job = run(replace=True)
    assert counts(job) == {"predicted": 10, "sent": 10}
    assert studio.versions_of(101) == ["v0", VERSION]
    assert studio.versions_of(102) == [VERSION]
    assert "20 predictions of 0.0.1 were removed" in job.log


def test_a_part_of_a_project_is_not_replaced(start, studio):
    with pytest.raises(JobRefused, match="whole project"):
        start(replace=True, task_ids=[101])


def test_with_nothing_to_predict_a_job_succeeds_and_says_so(run, studio, project):
    annotate(project, *IDS)
    job = run(only="unlabelled")
    assert (job.state, job.total) == ("succeeded", 0)
    assert job.summary() == "There is nothing to predict."
    assert studio.import_count() == 0


def test_tasks_that_are_not_known_here_are_refused(start, studio):
    with pytest.raises(JobRefused, match="no such tasks"):
        start(task_ids=[999])


# --- The command ---


def test_the_command_says_what_became_of_all_tasks_and_fails_for_invalid_ones(
    project, studio, scripted
):
    scripted.answer = invalid_for(103)
    studio.tasks -= {101}
    output, errors = StringIO(), StringIO()
    with pytest.raises(CommandError, match="1 tasks have no prediction"):
        call_command("predict", project=1, stdout=output, stderr=errors)
    assert output.getvalue() == (
        "10 tasks: 10 predicted by 0.0.1, 8 sent to Label Studio, 1 invalid,"
        " 1 deleted in Label Studio.\n"
    )
    assert "Task 103: invalid" in errors.getvalue()


def test_the_command_run_again_says_that_they_are_already_there(run, studio):
    run()
    output = StringIO()
    call_command("predict", project=1, stdout=output, stderr=StringIO())
    assert output.getvalue() == "10 tasks: 10 already there.\n"


def test_the_command_ends_well_with_nothing_to_predict(project, studio, constant):
    annotate(project, *IDS)
    output = StringIO()
    call_command(
        "predict", project=1, only="unlabelled", stdout=output, stderr=StringIO()
    )
    assert output.getvalue() == "There is nothing to predict.\n"
