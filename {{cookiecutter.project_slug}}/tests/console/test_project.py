"""The page of a project: train, policy, pause, predict all."""

import pytest
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.inference.models import PredictionJob
from lsml.registry.models import Following, Project
from lsml.registry.policy import POLICY_FIELDS
from lsml.training.models import TrainingRun
from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db
POLICY = {
    "training_mode": "manual",
    "min_annotations": 25,
    "debounce_s": 30,
    "quiet_from": "",
    "quiet_until": "",
    "promotion_policy": "better",
    "gate_min_tasks": 20,
    "gate_margin": 1,
    "gate_label_margin": 5,
    "gate_latency_factor": 2,
    "gate_shadow_tasks": 50,
    "shadow_percent": 60,
    "roll_back_on_drop": "on",
    "time_limit_s": "",
    "memory_mb": 2048,
    "holdout_percent": 15,
    "withheld_percent": 5,
    "predict_on_promotion": "none",
    "sampling": "label-studio",
    "reason": "too many runs",
}


def test_train_now_opens_a_run_requested_by_the_person(operator):
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


def test_changing_the_policy_keeps_each_value_before_and_after(operator):
    of = factory.project()
    operator.post(page("policy", of.pk), POLICY)
    of.refresh_from_db()
    assert (of.training_mode, of.min_annotations, of.memory_mb) == ("manual", 25, 2048)
    assert of.roll_back_on_drop
    assert (of.gate_shadow_tasks, of.shadow_percent) == (50, 60)
    entry = AuditEntry.objects.get(verb="policy changed")
    assert (entry.actor, entry.reason) == ("olga", "too many runs")
    assert entry.detail["min_annotations"] == {"before": 1, "after": 25}
    assert "time_limit_s" not in entry.detail
    shown = " ".join(operator.get(detail_page(of)).text.split())
    assert "New annotations that start a run: 1 → 25;" in shown
    assert "Automatic roll-back: no → yes" in shown


def test_the_policy_is_explained_in_plain_words(operator):
    form = operator.get(page("policy", factory.project().pk)).context["form"]
    for name in POLICY_FIELDS:
        assert name not in str(form[name].label)
        assert form[name].help_text or name == "quiet_until", name


def test_more_than_half_of_the_tasks_cannot_be_held_out(operator):
    of = factory.project()
    answer = operator.post(page("policy", of.pk), POLICY | {"holdout_percent": 51})
    assert "less than or equal to 50" in answer.text
    of.refresh_from_db()
    assert of.holdout_percent == 15


def test_nothing_can_be_required_in_shadow_if_nothing_is_held_out(operator):
    of = factory.project()
    answer = operator.post(page("policy", of.pk), POLICY | {"holdout_percent": 0})
    assert "Hold out some annotated tasks" in answer.text
    of.refresh_from_db()
    assert of.gate_shadow_tasks == 0


def test_a_comparison_needs_at_least_one_task(operator):
    of = factory.project()
    answer = operator.post(page("policy", of.pk), POLICY | {"gate_min_tasks": 0})
    assert "greater than or equal to 1" in answer.text
    of.refresh_from_db()
    assert of.gate_min_tasks == 20


def test_half_a_pair_of_quiet_hours_is_refused_and_nothing_written(operator):
    of = factory.project()
    answer = operator.post(page("policy", of.pk), POLICY | {"quiet_from": "22:00"})
    assert answer.status_code == 200
    of.refresh_from_db()
    assert (of.training_mode, of.quiet_from) == ("auto", None)
    assert not AuditEntry.objects.filter(verb="policy changed").exists()


def test_pausing_and_resuming_are_recorded(operator):
    of = factory.project()
    operator.post(page("pause", of.pk), {"paused": "1"})
    assert Project.objects.get(pk=of.pk).training_paused
    operator.post(page("pause", of.pk), {"paused": "0"})
    assert not Project.objects.get(pk=of.pk).training_paused
    assert AuditEntry.objects.filter(verb="policy changed", actor="olga").count() == 2


def test_the_form_predicts_only_the_tasks_it_names(operator):
    of = factory.project()
    factory.known(of, of.created_at)
    known = list(of.tasks.values_list("task_id", flat=True)[:2])
    form = {"task_ids": f"{known[0]}, {known[1]}\n"}
    assert "Only these task IDs" in operator.get(page("predict", of.pk)).text
    operator.post(page("predict", of.pk), form)
    job = PredictionJob.objects.get()
    assert (job.only, job.task_ids) == ("without-this-version", known)


def test_a_view_is_predicted_and_older_versions_are_deleted(operator, settings):
    settings.LABEL_STUDIO_URL, settings.LABEL_STUDIO_API_KEY = "http://ls", "key"
    of = factory.story(predictions=3)["project"]
    form = {"view": "5", "delete_older": "on"}
    operator.post(page("predict", of.pk), form)
    job = PredictionJob.objects.latest("pk")
    assert (job.view, job.delete_older) == (5, True)
    assert "View in Label Studio" in operator.get(detail_page(job)).text


def test_the_form_says_what_is_wrong_with_task_ids(operator):
    of = factory.project()
    shown = operator.post(page("predict", of.pk), {"task_ids": "7, x"})
    assert "A task ID is a whole number" in shown.text
    assert not PredictionJob.objects.exists()


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


def test_answers_of_the_served_version_that_do_not_fit_are_shown(viewer):
    of = factory.project()
    check = factory.answer_check(of, "0.0.1", checked=500, invalid=0)
    assert "do not fit" not in viewer.get(detail_page(of)).text
    check.invalid = 12
    check.save()
    shown = viewer.get(detail_page(of)).text
    assert "12 of 500 checked answers of 0.0.1" in shown
    assert "manage.py validate-model --project 1<" in shown


def test_the_policy_decides_what_follows_a_promotion(operator):
    of = factory.project()
    changes = {"predict_on_promotion": "unlabelled", "sampling": "uncertainty"}
    operator.post(page("policy", of.pk), POLICY | changes)
    of.refresh_from_db()
    assert (of.predict_on_promotion, of.sampling) == ("unlabelled", "uncertainty")
    entry = AuditEntry.objects.get(verb="policy changed")
    assert entry.actor == "olga"
    assert entry.detail["sampling"] == {
        "before": "label-studio",
        "after": "uncertainty",
    }
    assert "Uncertainty" in operator.get(detail_page(of)).text


def test_the_page_says_how_far_the_order_in_label_studio_follows(operator):
    of = factory.project(sampling="uncertainty")
    shown = operator.get(detail_page(of)).text
    assert "0.0.1 has not predicted the tasks yet" in shown
    now = timezone.now()
    PredictionJob.objects.create(
        project=of, requested_by="policy", created_at=now, done=1200, total=5000
    )
    Following.objects.create(project=of, version="v3", since=now, problem="It is away.")
    shown = operator.get(detail_page(of)).text
    assert "0.0.1 is being predicted: 1,200 of 5,000, then the order follows" in shown
    assert "It is away." in shown
    assert "v3</span> since" in shown
    Following.objects.update(version="0.0.1", problem="")
    assert "then the order follows" not in operator.get(detail_page(of)).text
