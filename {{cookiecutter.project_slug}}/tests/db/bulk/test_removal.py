"""Bulk predictions that end by removing those of older versions from Label Studio."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.inference.bulk import removal, work
from lsml.inference.models import PredictionJob
from lsml.jobs.errors import JobRefused
from lsml.jobs.services import retry
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.failures import OutcomeUnknown, Unreachable
from lsml.registry.models import ModelVersion
from tests.db.bulk.conftest import IDS, VERSION, lose_worker
from tests.studio_stub import LOST

pytestmark = pytest.mark.django_db


@pytest.fixture
def register(project):
    """Returns a function that registers versions, and serves the last one."""

    def register(*versions):
        for number, name in enumerate(versions, 1):
            project.active_version = ModelVersion.objects.create(
                project=project, number=number, version=name, created_at=timezone.now()
            )
        project.save()

    return register


@pytest.fixture
def v2(register, studio):
    """Version v2 is served; all tasks have predictions of the versions before."""
    register("v1", "v2")
    for version in (VERSION, "v1", "somebody's"):
        studio.predictions += [(task, version) for task in IDS]


def versions(studio):
    return {version for _, version in studio.predictions}


def removals():
    entries = AuditEntry.objects.filter(verb="predictions removed from label studio")
    return [
        (each.target, each.detail["predictions"]) for each in entries.order_by("pk")
    ]


def test_predictions_of_older_versions_are_removed(run, studio, v2):
    job = run(delete_older=True)
    assert (job.state, job.sent, job.removed) == ("succeeded", 10, 20)
    assert versions(studio) == {"somebody's", "v2"}
    assert sorted(removals()) == [(f"version {VERSION}", 10), ("version v1", 10)]
    assert "10 predictions of v1 were removed" in job.log
    assert job.summary().endswith("20 predictions of older versions removed.")


def test_they_are_kept_without_the_option(run, studio, v2):
    run()
    assert versions(studio) == {VERSION, "v1", "somebody's", "v2"}


def test_run_again_it_removes_nothing_more(run, studio, v2):
    run(delete_older=True)
    again = run(delete_older=True)
    assert (again.state, again.removed, len(removals())) == ("succeeded", 0, 2)


def test_a_version_is_kept_while_a_task_has_it_but_not_the_served_one(
    run, studio, v2, project
):
    studio.tasks |= {500}  # not known here
    studio.predictions += [(500, "v1")]
    job = run(delete_older=True)
    assert job.removed == 10
    assert versions(studio) == {"v1", "somebody's", "v2"}
    assert "Predictions of v1 were kept" in job.message


def test_a_version_that_is_served_again_meanwhile_is_kept(
    run, studio, v2, project, monkeypatch
):
    original = LabelStudio.delete_predictions

    def roll_back(self, *arguments):
        project.active_version = project.versions.get(version="v1")
        project.save()
        return original(self, *arguments)

    monkeypatch.setattr(LabelStudio, "delete_predictions", roll_back)
    job = run(delete_older=True)
    assert (job.state, job.removed) == ("succeeded", 10)
    assert versions(studio) == {"v1", "somebody's", "v2"}


def test_after_a_roll_back_newer_versions_keep_their_predictions(
    run, studio, project, register
):
    register("v1", "v2", "v3")
    project.active_version = project.versions.get(version="v2")
    project.save()
    for version in ("v1", "v3"):
        studio.predictions += [(task, version) for task in IDS]
    job = run(delete_older=True)
    assert (job.state, job.removed) == ("succeeded", 10)
    assert versions(studio) == {"v2", "v3"}


@pytest.mark.parametrize("served", ["v1", "v10"])
def test_versions_whose_names_contain_each_other_are_told_apart(
    run, studio, register, served
):
    other = {"v1": "v10", "v10": "v1"}[served]
    register(other, served)  # the other is the older one
    studio.tasks |= {500}
    studio.predictions = [(task, other) for task in [*IDS, 500]]
    job = run(delete_older=True)
    assert (job.state, job.removed) == ("succeeded", 0)
    assert versions(studio) == {"v1", "v10"}
    studio.tasks -= {500}
    studio.predictions.remove((500, other))
    assert run(delete_older=True).removed == 10
    assert versions(studio) == {served}


def test_part_of_a_project_removes_nothing_that_another_task_needs(run, studio, v2):
    job = run(delete_older=True, task_ids=[101, 102])
    assert (job.state, job.sent, job.removed) == ("succeeded", 2, 0)
    assert "0 predictions of older versions removed" in job.summary()


@pytest.mark.parametrize(
    ("shown", "expected"),
    [("lsml", "lsml"), ("v1", "v2"), ("somebody's", "somebody's")],
)
def test_the_project_goes_on_showing_predictions(run, studio, v2, shown, expected):
    studio.shown, studio.titles = shown, {"lsml"}
    run(delete_older=True)
    assert studio.shown == expected


def die_at_removal(monkeypatch, *, removed):
    """End the worker once, before or after Label Studio removes predictions."""
    original, times = LabelStudio.delete_predictions, []

    def killed(self, *arguments):
        if times:
            return original(self, *arguments)
        times.append(1)
        if removed:
            original(self, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(LabelStudio, "delete_predictions", killed)


@pytest.mark.parametrize("removed", [True, False])
def test_a_worker_killed_while_it_removes_leaves_nothing_undone(
    start, run, studio, v2, constant, monkeypatch, removed
):
    studio.shown, studio.titles = "lsml", {"lsml"}
    job = start(delete_older=True)
    die_at_removal(monkeypatch, removed=removed)
    with pytest.raises(KeyboardInterrupt):
        work.predict_all(job.pk)
    assert len(removals()) == 1  # recorded before it was done
    lose_worker()
    job = run(job)
    assert (job.state, job.shown_version) == ("succeeded", "")
    assert versions(studio) == {"somebody's", "v2"}
    assert studio.shown == "lsml"
    assert studio.import_count() == 3


def remove_late(monkeypatch, studio, *, polls):
    """Let Label Studio exceed the time limit, and remove the predictions later."""
    original, listed = LabelStudio.delete_predictions, LabelStudio.prediction_versions
    late = []

    def delete(self, project_id, version):
        late.append((self, project_id, version))
        raise OutcomeUnknown(url=studio.url, reason="timed out")

    def versions(self, project_id):
        if late and polls:
            polls.pop()
        elif late:
            original(*late.pop())
        return listed(self, project_id)

    monkeypatch.setattr(LabelStudio, "delete_predictions", delete)
    monkeypatch.setattr(LabelStudio, "prediction_versions", versions)


def test_a_removal_that_takes_label_studio_long_is_waited_for(
    run, studio, v2, monkeypatch
):
    monkeypatch.setattr(removal, "_POLL_S", 0.01)
    remove_late(monkeypatch, studio, polls=[1, 1, 1])
    job = run(delete_older=True)
    assert (job.state, job.removed) == ("succeeded", 20)
    assert versions(studio) == {"somebody's", "v2"}


def test_a_removal_that_never_ends_fails_the_job(run, studio, v2, monkeypatch):
    monkeypatch.setattr(removal, "_POLL_S", 0.01)
    monkeypatch.setattr(removal, "_LONGEST_REMOVAL_S", 0.05)
    remove_late(monkeypatch, studio, polls=[1] * 1000)
    job = run(delete_older=True)
    assert job.state == "failed"
    assert "did not say whether it completed the request: timed out" in job.error


def test_a_removal_whose_answer_a_proxy_lost_is_not_repeated(run, studio, v2):
    studio.removal_answer = LOST
    job = run(delete_older=True)
    assert (job.state, job.removed, studio.removals) == ("succeeded", 20, 2)


def test_a_removal_that_was_not_received_fails_the_job_at_once(
    run, studio, v2, monkeypatch
):
    def refuse(self, *_arguments):
        raise Unreachable(url=self.url, reason=ConnectionRefusedError("refused"))

    monkeypatch.setattr(LabelStudio, "delete_predictions", refuse)
    job = run(delete_older=True)
    assert (job.state, studio.removals) == ("failed", 0)
    assert "does not answer" in job.error


def test_the_next_job_restores_what_a_failed_one_left(
    start, studio, v2, constant, monkeypatch
):
    studio.shown, studio.titles = "lsml", {"lsml"}
    die_at_removal(monkeypatch, removed=True)
    with pytest.raises(KeyboardInterrupt):
        work.predict_all(start(delete_older=True).pk)
    PredictionJob.objects.update(state="failed")
    studio.predictions.clear()
    seen = []
    work.predict_all(start().pk, on_step=lambda _job: seen.append(studio.shown))
    assert seen[0] == "lsml"  # before it predicts
    assert not PredictionJob.objects.exclude(shown_version="").exists()


def test_what_a_person_selected_meanwhile_stays(
    start, run, studio, v2, constant, monkeypatch
):
    studio.shown, studio.titles = "lsml", {"lsml"}
    die_at_removal(monkeypatch, removed=True)
    with pytest.raises(KeyboardInterrupt):
        work.predict_all(start(delete_older=True).pk)
    lose_worker()
    studio.shown = "somebody's"
    run(PredictionJob.objects.get())
    assert studio.shown == "somebody's"


@pytest.mark.parametrize("titles", [{VERSION}, {"lsml"}], ids=["title", "stored"])
def test_replacing_the_version_that_the_project_shows_keeps_it_shown(
    run, studio, titles
):
    studio.shown, studio.titles = VERSION, titles
    studio.predictions = [(task, VERSION) for task in IDS]
    job = run(replace=True)
    assert (job.state, job.shown_version) == ("succeeded", "")
    assert studio.shown == VERSION


def test_replacing_is_recorded_too(run, studio):
    studio.predictions = [(task, VERSION) for task in IDS]
    run(replace=True)
    assert removals() == [(f"version {VERSION}", 10)]


def test_a_retried_job_still_removes(start, run, studio, v2, constant, origin):
    job = start(delete_older=True)
    PredictionJob.objects.update(state="failed")
    job.refresh_from_db()
    assert run(retry(job, actor="olga", origin=origin)).removed == 20


def test_removing_needs_access_to_label_studio(start, settings):
    settings.LABEL_STUDIO_URL = ""
    with pytest.raises(JobRefused, match="LABEL_STUDIO_URL"):
        start(delete_older=True)


def test_a_process_that_knows_only_the_address_can_start_the_job(start, settings):
    settings.LABEL_STUDIO_URL, settings.LABEL_STUDIO_API_KEY = "http://ls", ""
    assert start(delete_older=True).state == "queued"


def test_a_worker_without_the_key_removes_nothing(
    start, studio, v2, constant, settings
):
    settings.LABEL_STUDIO_API_KEY = ""
    job = start(delete_older=True)
    work.predict_all(job.pk)
    job.refresh_from_db()
    assert (job.state, studio.requests) == ("failed", [])
    assert "LABEL_STUDIO_API_KEY" in job.error


def test_the_command_says_what_was_kept(studio, v2, constant):
    studio.tasks |= {500}
    studio.predictions += [(500, "v1")]
    output, errors = StringIO(), StringIO()
    call_command("predict", project=1, delete_older=True, stdout=output, stderr=errors)
    assert "10 predictions of older versions removed." in output.getvalue()
    assert "Predictions of v1 were kept" in errors.getvalue()


def test_a_project_that_took_over_the_id_of_a_deleted_one_is_left_alone(
    run, studio, v2
):
    studio.created_at = "2026-11-30T00:00:00Z"
    before = list(studio.predictions)
    job = run(delete_older=True)
    assert job.state == "failed"
    assert "was deleted in Label Studio" in job.error
    assert studio.predictions == before
