"""What becomes of a version when its run ends, by the project's promotion policy."""

import pytest

from lsml.quality.evaluation.models import Evaluation
from lsml.quality.tasks import evaluate, evaluate_version
from lsml.registry.models import Promotion
from lsml.registry.promotion_policy import EVALUATE

pytestmark = pytest.mark.usefixtures("forked_trainings")
ANNOTATED = 30


@pytest.fixture
def project(project):
    project.holdout_percent = 50
    project.save()
    return project


@pytest.fixture
def annotated(studio):
    for number in range(1, ANNOTATED + 1):
        studio.annotate(number)


def policy(project, name, **more):
    type(project).objects.filter(pk=project.pk).update(promotion_policy=name, **more)


def trained(worker, model="Remembering"):
    worker.serve(model)
    run = worker.train()
    assert run.error == ""
    run.project.refresh_from_db()
    return run


@pytest.mark.parametrize("name", ["not-worse", "better"])
def test_a_version_with_enough_held_out_tasks_waits_for_its_evaluation(
    worker, project, annotated, notifications, name
):
    policy(project, name, gate_min_tasks=5)
    run = trained(worker)
    assert run.project.served_version == "0.0.1"
    assert (EVALUATE, run.version_id) in notifications


def test_with_too_few_held_out_tasks_it_is_promoted_at_once_and_evaluated(
    worker, project, annotated, notifications
):
    policy(project, "not-worse", gate_min_tasks=50)
    run = trained(worker)
    assert run.project.served_version == "v1"
    assert "too few to tell (50 needed)" in Promotion.objects.get().reason
    assert (EVALUATE, run.version_id) in notifications


def test_with_too_few_held_out_tasks_it_waits_if_it_must_pass_in_shadow(
    worker, project, annotated, notifications
):
    policy(project, "not-worse", gate_min_tasks=50, gate_shadow_tasks=20)
    run = trained(worker)
    assert run.project.served_version == "0.0.1"
    assert (EVALUATE, run.version_id) in notifications


def test_without_a_hold_out_it_is_promoted_and_not_evaluated(
    worker, project, studio, notifications
):
    studio.annotate(1)
    run = trained(worker)
    assert run.project.served_version == "v1"
    assert "nothing is held out" in Promotion.objects.get().reason
    assert not [task for task, _ in notifications if task == EVALUATE]


@pytest.mark.slow
def test_always_promotes_at_once_and_manual_never_does(worker, project, studio):
    policy(project, "always")
    studio.annotate(1)
    assert trained(worker).project.served_version == "v1"
    policy(project, "manual")
    studio.annotate(2)
    assert trained(worker).project.served_version == "v1"


def test_the_messages_lead_to_an_evaluation_that_predicts(
    worker, project, annotated, notifications, serve
):
    policy(project, "not-worse", gate_min_tasks=5)
    run = trained(worker)
    serve("tests.models.constant.ConstantModel")
    evaluate_version(run.version_id)
    evaluate_version(run.version_id)
    evaluation = Evaluation.objects.get()
    evaluate(evaluation.pk)
    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.task_count) == (
        "succeeded",
        run.version.held_out_tasks,
    ), evaluation.error
