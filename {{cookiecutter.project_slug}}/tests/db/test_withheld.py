"""A share of the tasks is predicted and recorded, but not shown to annotators."""

import pytest

from lsml.audit.models import Prediction
from lsml.dataset.holdout import is_held_out
from lsml.inference.withheld import is_withheld
from lsml.registry.models import Project
from tests.db.conftest import order, recorded

pytestmark = pytest.mark.django_db
TASKS, PERCENT = 40, 30


@pytest.fixture
def project(post, constant):
    """A project that Label Studio has asked for, with a share of such tasks."""
    post("/predict", order(1))
    return withhold(PERCENT)


def withhold(percent):
    project = Project.objects.get()
    project.withheld_percent = percent
    project.save()
    return project


def by_rule(project, percent=PERCENT):
    return {n for n in range(1, TASKS + 1) if is_withheld(project.pk, n, percent)}


def without_an_answer(post):
    results = post("/predict", order(TASKS)).json()["results"]
    return {n for n, answer in enumerate(results, 1) if answer == []}


def test_tasks_of_the_share_get_an_empty_list(post, project):
    assert 0 < len(by_rule(project)) < TASKS
    assert without_an_answer(post) == by_rule(project)


def test_without_the_setting_every_task_is_answered(post, project):
    withhold(0)
    assert without_an_answer(post) == set()
    assert not Prediction.objects.filter(withheld=True).exists()


def test_the_row_keeps_the_prediction_and_says_that_it_was_not_shown(post, project):
    without_an_answer(post)
    rows = Prediction.objects.order_by("-pk")[:TASKS]
    assert {row.task_id for row in rows if row.withheld} == by_rule(project)
    assert {(row.outcome, row.score, bool(row.result)) for row in rows} == {
        ("ok", 0.5, True)
    }


def test_an_interactive_request_is_always_answered(post, project):
    withhold(50)
    body = recorded("predict/interactive")
    [task] = body["tasks"]
    task["id"] = min(by_rule(project, 50))
    body["project"] = order(1)["project"]
    [answer] = post("/predict", body).json()["results"]
    assert answer["result"]
    assert not Prediction.objects.latest("pk").withheld


# With transactions of its own: each change of the project has another xmin.
@pytest.mark.django_db(transaction=True)
def test_the_setting_counts_from_the_next_request_on(post, project):
    assert without_an_answer(post)
    withhold(0)
    assert without_an_answer(post) == set()


def test_it_takes_one_statement_as_before(post, project, django_assert_num_queries):
    without_an_answer(post)
    with django_assert_num_queries(1):
        assert without_an_answer(post)


def test_a_failed_prediction_is_not_called_withheld(post, scripted):
    scripted.answer = [{"result": []}] * TASKS
    post("/predict", order(TASKS))
    withhold(50)
    scripted.answer = RuntimeError("no GPU")
    assert post("/predict", order(TASKS)).status_code == 500
    assert not Prediction.objects.filter(withheld=True).exists()


def test_the_share_has_nothing_to_do_with_the_hold_out():
    tasks = range(1, 4_001)
    withheld = {n for n in tasks if is_withheld(1, n, 20)}
    held_out = {n for n in tasks if is_held_out(1, n, 20)}
    assert len(withheld) == pytest.approx(800, rel=0.1)
    assert len(withheld & held_out) == pytest.approx(160, rel=0.25)


def test_a_larger_share_has_the_same_tasks_and_more():
    small, large = ({n for n in range(999) if is_withheld(1, n, p)} for p in (5, 10))
    assert small < large
