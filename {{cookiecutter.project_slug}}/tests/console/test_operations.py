"""What an operator does from the console: done by the services, and recorded."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from lsml.audit.models import AuditEntry
from lsml.inference.models import PredictionJob
from lsml.registry.models import Project
from lsml.training.models import InboxEntry, TrainingRun
from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db

POLICY = {
    "training_mode": "manual",
    "min_annotations": 25,
    "debounce_s": 30,
    "quiet_from": "",
    "quiet_until": "",
    "auto_promote": "on",
    "time_limit_s": "",
    "memory_mb": 2048,
    "reason": "too many runs",
}


def test_training_now_opens_a_run_asked_for_by_the_person(operator):
    of = factory.project()
    operator.post(page("train", of.pk))
    run = TrainingRun.objects.get(project=of)
    assert (run.trigger, run.requested_by) == ("person", "olga")
    assert "waiting for a worker" in operator.get(detail_page(run)).text


def test_a_second_run_is_refused_with_a_sentence(operator):
    of = factory.project()
    operator.post(page("train", of.pk))
    again = operator.post(page("train", of.pk), follow=True)
    assert "is not finished" in again.text
    assert TrainingRun.objects.count() == 1


def test_cancelling_takes_a_reason_and_asks_the_run_to_stop(operator):
    run = factory.story(predictions=1)["running"]
    operator.post(page("cancel", "training", run.pk), {"reason": ""})
    run.refresh_from_db()
    assert run.cancel_requested_at is None
    operator.post(page("cancel", "training", run.pk), {"reason": "wrong data"})
    run.refresh_from_db()
    assert (run.cancel_requested_by, run.cancel_reason) == ("olga", "wrong data")


def test_a_failed_run_can_be_tried_again(operator):
    of = factory.project()
    failed = factory.failed_run(of, at=of.created_at)
    operator.post(page("retry", "training", failed.pk))
    assert TrainingRun.objects.filter(trigger="retry", requested_by="olga").exists()


def test_the_events_that_fit_failed_on_are_shown_and_retried(operator):
    story = factory.story(predictions=1)
    TrainingRun.objects.filter(pk=story["running"].pk).update(state="cancelled")
    run = story["runs"][-1]
    failed = run.events.order_by("event_id").first()
    run.events.filter(pk=failed.pk).update(error="KeyError: <annotation>")
    shown = operator.get(detail_page(run)).text
    assert "Events that fit() failed on (1)" in shown
    assert "KeyError: &lt;annotation&gt;" in shown
    operator.post(page("retry", "training", run.pk))
    assert InboxEntry.objects.get(event_id=failed.event_id).held
    assert TrainingRun.objects.filter(trigger="retry", requested_by="olga").exists()
    shown = operator.get(detail_page(run)).text
    assert "Retry failed events" not in shown
    assert "· retried" in shown


def test_changing_the_policy_keeps_each_value_before_and_after(operator):
    of = factory.project()
    operator.post(page("policy", of.pk), POLICY)
    of.refresh_from_db()
    assert (of.training_mode, of.min_annotations, of.memory_mb) == ("manual", 25, 2048)
    entry = AuditEntry.objects.get(verb="policy changed")
    assert (entry.actor, entry.reason) == ("olga", "too many runs")
    assert entry.detail["min_annotations"] == {"before": 1, "after": 25}
    assert "time_limit_s" not in entry.detail
    assert "min_annotations 1 → 25" in operator.get(detail_page(of)).text


def test_half_a_pair_of_quiet_hours_is_refused_and_nothing_written(operator):
    of = factory.project()
    answer = operator.post(page("policy", of.pk), POLICY | {"quiet_from": "22:00"})
    assert answer.status_code == 200
    of.refresh_from_db()
    assert (of.training_mode, of.quiet_from) == ("auto", None)
    assert not AuditEntry.objects.filter(verb="policy changed").exists()


def test_pausing_and_going_on_are_recorded(operator):
    of = factory.project()
    operator.post(page("pause", of.pk), {"paused": "1"})
    assert Project.objects.get(pk=of.pk).training_paused
    operator.post(page("pause", of.pk), {"paused": "0"})
    assert not Project.objects.get(pk=of.pk).training_paused
    assert AuditEntry.objects.filter(verb="policy changed", actor="olga").count() == 2


def test_notes_are_replaced_and_the_old_ones_kept(operator):
    made = factory.version(factory.project())
    operator.post(page("note", made.pk), {"notes": "first"})
    operator.post(page("note", made.pk), {"notes": "second"})
    made.refresh_from_db()
    assert made.notes == "second"
    last = AuditEntry.objects.filter(verb="version noted").order_by("-pk").first()
    assert last.detail == {"before": "first", "after": "second"}


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("train", "project"),
        ("pause", "project"),
        ("predict", "project"),
        ("policy", "project"),
        ("promote", "project"),
        ("roll_back", "project"),
        ("cancel", "running"),
        ("retry", "running"),
        ("note", "latest"),
        ("artifact", "latest"),
    ],
)
def test_a_viewer_is_refused_whatever_the_page_showed(viewer, name, of):
    story = factory.story(predictions=1)
    entries = AuditEntry.objects.count()
    kind = ["training"] if of == "running" else []
    address = page(name, *kind, story[of].pk)
    assert viewer.post(address, POLICY).status_code == 403
    assert AuditEntry.objects.count() == entries


@pytest.mark.parametrize("role", ["viewer", "auditor"])
def test_who_may_not_operate_sees_no_button_for_it(client, role):
    client.force_login(factory.person("vera", role))
    story = factory.story(predictions=1)
    for row in (story["project"], story["latest"], story["running"]):
        shown = client.get(detail_page(row)).text
        for word in (
            "Train now",
            "Pause training",
            ">Promote",
            "Roll back",
            ">Cancel",
            "Save",
        ):
            assert word not in shown


def test_nobody_gets_anywhere_without_logging_in(client):
    of = factory.project()
    answer = client.post(page("train", of.pk))
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


def test_predicting_all_opens_a_job_that_can_be_cancelled(operator):
    of = factory.project()
    refused = operator.post(page("predict", of.pk), follow=True)
    assert "No task" in refused.text
    factory.known(of, of.created_at)
    operator.post(page("predict", of.pk))
    job = PredictionJob.objects.get()
    assert (job.requested_by, job.total) == ("olga", 120)
    assert "data-poll" in operator.get(page("job_progress", "prediction", job.pk)).text
    operator.post(page("cancel", "prediction", job.pk), {"reason": "enough"})
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert "Cancel<" not in operator.get(detail_page(job)).text


def test_an_admin_gives_roles_and_that_is_recorded(client):
    client.force_login(factory.person("ada", "admin"))
    vera = factory.person("vera", "viewer")
    operator = Group.objects.get(name="operator")
    form = {"username": "vera", "is_active": "on", "is_staff": "on"}
    client.post(detail_page(vera), form | {"groups": [operator.pk]})
    assert list(vera.groups.values_list("name", flat=True)) == ["operator"]
    entry = AuditEntry.objects.get(verb="user changed")
    assert (entry.actor, entry.detail["roles"]) == ("ada", ["operator"])


def test_an_admin_can_neither_make_nor_take_over_a_superuser(client):
    client.force_login(factory.person("ada", "admin"))
    root, vera = factory.person("root"), factory.person("vera", "viewer")
    form = {"username": "vera", "is_active": "on", "is_superuser": "on"}
    client.post(detail_page(vera), form)
    vera.refresh_from_db()
    assert not vera.is_superuser
    taken = client.post(
        reverse("admin:auth_user_password_change", args=[root.pk]),
        {"password1": "another-Password-1", "password2": "another-Password-1"},
    )
    assert taken.status_code == 403
    assert client.post(detail_page(root), form).status_code == 403


def test_a_viewer_does_not_see_who_else_there_is(viewer):
    assert viewer.get(reverse("admin:auth_user_changelist")).status_code == 403
