"""Bulk predictions of the tasks that a view of Label Studio's data manager shows."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lsml.inference.bulk import work
from lsml.inference.models import PredictionJob, ViewedTasks
from lsml.jobs.errors import JobRefused
from lsml.jobs.services import request_cancel, retry
from tests.db.bulk.conftest import IDS, VERSION, annotate, counts, lose_worker

pytestmark = pytest.mark.django_db
VIEW = 5


def ids_between(first, last):
    return {
        "filter": "filter:tasks:id", "operator": "in", "type": "Number",
        "value": {"min": first, "max": last},
    }  # fmt: skip


def without_prediction():
    return {
        "filter": "filter:tasks:predictions_model_versions",
        "operator": "not_contains",
        "type": "List",
        "value": [VERSION],
    }


@pytest.fixture
def show(studio):
    """Returns a function that creates a view with filters."""

    def show(*items, conjunction="and", project=1):
        filters = {"conjunction": conjunction, "items": list(items)}
        studio.views[VIEW] = {"project": project, "data": {"filters": filters}}

    return show


def predicted(studio):
    return [task for task, _ in studio.predictions]


def test_only_the_tasks_of_the_view_are_predicted(run, studio, show):
    show(ids_between(103, 106), ids_between(105, 110))
    job = run(view=VIEW)
    assert (job.state, job.total, job.done, counts(job)) == (
        "succeeded", 2, 2, {"predicted": 2, "sent": 2},
    )  # fmt: skip
    assert predicted(studio) == [105, 106]
    assert not ViewedTasks.objects.exists()  # they are not needed any more


def test_filters_with_or_between_them_are_understood(run, studio, show):
    show(ids_between(101, 102), ids_between(102, 103), conjunction="or")
    assert run(view=VIEW).total == 3
    assert predicted(studio) == [101, 102, 103]


def test_a_view_without_filters_shows_all_tasks(run, studio):
    studio.views[VIEW] = {"project": 1, "data": {}}
    assert run(view=VIEW).total == 10


def test_a_view_whose_last_filter_was_removed_shows_all_tasks(run, show):
    show(conjunction="or")
    assert run(view=VIEW).total == 10


def test_tasks_of_the_view_that_are_not_known_here_are_counted(run, studio, show):
    studio.tasks |= {201, 202}
    show(ids_between(110, 300))
    job = run(view=VIEW)
    assert "View 5 shows 3 tasks" in job.log
    assert "1 tasks of the view are selected and known here" in job.log
    assert predicted(studio) == [110]


def test_a_view_is_combined_with_other_choices(run, studio, show, project):
    annotate(project, 104)
    show(ids_between(103, 106))
    run(view=VIEW, only="unlabelled", task_ids=[104, 105, 107])
    assert predicted(studio) == [105]


def test_a_view_that_shows_nothing_leaves_nothing_to_predict(run, studio, show):
    show(ids_between(1, 2))
    job = run(view=VIEW)
    assert (job.state, job.summary()) == ("succeeded", "There is nothing to predict.")
    assert studio.import_count() == 0


@pytest.mark.parametrize("of", [None, 2], ids=["missing", "of another project"])
def test_a_wrong_view_fails_the_job_with_a_sentence(start, studio, show, constant, of):
    if of:
        show(project=of)
    job = start(view=VIEW)
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert job.state == "failed"
    assert "Project 1 in Label Studio has no view 5" in job.error
    assert "?tab=" in job.error
    assert studio.predictions == []


def test_the_command_refuses_a_wrong_view(project, studio):
    with pytest.raises(CommandError, match="has no view 5"):
        call_command("predict", project=1, view=VIEW, stderr=StringIO())


def test_a_view_needs_access_to_label_studio(start, settings):
    settings.LABEL_STUDIO_URL = ""
    with pytest.raises(JobRefused, match="LABEL_STUDIO_URL"):
        start(view=VIEW)


def test_a_job_does_not_start_without_access_to_the_view(
    start, studio, show, settings, constant
):
    show()
    job = start(view=VIEW)
    settings.LABEL_STUDIO_URL = ""
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert job.state == "failed"
    assert "LABEL_STUDIO_URL" in job.error


def test_a_resumed_job_predicts_what_the_view_showed_when_it_began(
    start, run, studio, show, constant
):
    show(without_prediction(), ids_between(101, 109))
    job = start(view=VIEW)

    def stop(found):
        if found.last_task_id:  # the first batch is stored, so the view shows less
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.predict_all(job.pk, on_step=stop)
    lose_worker()
    del studio.views[VIEW]
    job = run(job)
    assert (job.state, job.total, job.done, job.sent) == ("succeeded", 9, 9, 9)
    assert predicted(studio) == [*IDS[:9]]


def test_a_retried_job_keeps_its_view(start, run, studio, show, constant, origin):
    show(ids_between(101, 109))
    job = start(view=VIEW)

    def cancel(found):
        if found.last_task_id:
            request_cancel(job, actor="olga", reason="enough", origin=origin)

    work.predict_all(job.pk, on_step=cancel)
    del studio.views[VIEW]
    job.refresh_from_db()
    assert job.state == "cancelled"
    again = retry(job, actor="olga", origin=origin)
    assert (again.view, again.total) == (VIEW, 9)
    assert run(again).state == "succeeded"
    assert predicted(studio) == [*IDS[:9]]
    assert PredictionJob.objects.count() == 2
