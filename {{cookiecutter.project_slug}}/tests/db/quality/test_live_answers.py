"""Live answers are checked once, by sample, after they were sent."""

from datetime import timedelta

import pytest
from django.utils import timezone

from lsml.audit import sealing
from lsml.audit.models import Prediction
from lsml.quality.models import AnswerCheck, AnswerCheckPosition
from lsml.quality.validity import live
from lsml.quality.validity.live import check_new_answers
from lsml.registry.models import Project
from lsml.registry.services import update_project
from tests.db.audit.conftest import no_seal_was_ever_made
from tests.db.audit.rows import another_connection, predict
from tests.db.conftest import order
from tests.db.quality.conftest import CONFIG, RIGHT, WRONG, choice

__all__ = ["no_seal_was_ever_made"]  # pytest finds fixtures by name
pytestmark = pytest.mark.django_db(transaction=True)
GOOD, BAD = {"result": [choice()]}, {"result": [choice("Great")]}


def answer(project, number=1, **facts):
    """Record and seal answers of the project."""
    rows = predict(number, **{"project_pk": project.pk, "score": 0.5, **facts})
    sealing.seal()
    return rows


def counts():
    rows = AnswerCheck.objects.order_by("project", "model_version")
    return [(row.model_version, row.checked, row.invalid) for row in rows]


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_that_label_studio_would_refuse_is_counted(project, name):
    facts, reason = WRONG[name]
    [row] = answer(project, **facts)
    check_new_answers()
    [found] = AnswerCheck.objects.all()
    assert (found.project, found.checked, found.invalid) == (project, 1, 1)
    assert (found.example_prediction_id, found.example_task_id) == (row.pk, 7)
    assert reason in found.example_reason
    assert found.last_invalid_at == found.last_checked_at


@pytest.mark.parametrize("name", RIGHT)
def test_an_answer_that_fits_is_counted_as_checked_only(project, name):
    answer(project, **RIGHT[name])
    check_new_answers()
    assert counts() == [("v1", 1, 0)]
    assert AnswerCheck.objects.get().last_invalid_at is None


def test_each_answer_counts_once_in_however_many_rounds(project):
    answer(project, 3, **BAD)
    check_new_answers()
    check_new_answers()
    answer(project, 2, **GOOD)
    check_new_answers()
    check_new_answers()
    assert counts() == [("v1", 5, 3)]


def test_the_example_is_the_last_invalid_answer(project, monkeypatch):
    monkeypatch.setattr(live, "_ROWS_AT_ONCE", 1)
    rows = answer(project, 3, **BAD)
    check_new_answers()
    newest = max(row.pk for row in rows)
    assert AnswerCheck.objects.get().example_prediction_id == newest


def test_a_round_that_is_killed_counts_nothing_and_is_made_up_for(project, monkeypatch):
    answer(project, 3, **BAD)

    def die(_):  # the position has moved, and the counts are half written
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(live, "storable", die)
        with pytest.raises(SystemExit):
            check_new_answers()
    assert counts() == []
    check_new_answers()
    assert counts() == [("v1", 3, 3)]


def test_two_workers_at_once_count_each_answer_once(project, monkeypatch):
    answer(project, 3, **BAD)
    check, others = live._check, [check_new_answers]

    def be_overtaken(keys):
        found = check(keys)
        if others:
            others.pop()()
        return found

    monkeypatch.setattr(live, "_check", be_overtaken)
    check_new_answers()
    assert counts() == [("v1", 3, 3)]


def test_an_answer_whose_transaction_ends_late_is_counted(project):
    with another_connection() as slow:
        slow.execute("SELECT pg_current_xact_id()")
        answer(project, 2, **GOOD)
        check_new_answers()
        assert counts() == []  # nothing is sealed before that transaction ends
    sealing.seal()
    check_new_answers()
    assert counts() == [("v1", 2, 0)]


def test_a_round_checks_a_bounded_sample_of_each_version(project, monkeypatch):
    monkeypatch.setattr(live, "ANSWERS_MAX", 10)
    predict(30, project_pk=project.pk, score=0.5, **GOOD)
    answer(project, 3, model_version="v2", **BAD)
    check_new_answers()
    check_new_answers()
    assert counts() == [("v1", 7, 0), ("v2", 3, 3)]


def test_a_round_stops_after_some_seconds(project, monkeypatch):
    monkeypatch.setattr(live, "SECONDS_MAX", -1.0)
    answer(project, 3, **GOOD)
    check_new_answers()
    assert counts() == []
    assert AnswerCheckPosition.objects.get().seal_number


def test_after_an_outage_only_the_newest_answers_are_looked_at(project, monkeypatch):
    monkeypatch.setattr("lsml.audit.windows.BATCH_ROWS", 4)
    for _ in range(3):
        answer(project, 2, **GOOD)
    answer(project, 2, **BAD)
    check_new_answers()
    assert counts() == [("v1", 4, 2)]
    check_new_answers()
    assert counts() == [("v1", 4, 2)]


@pytest.mark.parametrize("kind", ["interactive", "bulk", "shadow"])
def test_only_answers_that_label_studio_stores_are_checked(project, kind):
    answer(project, kind=kind, **BAD)
    check_new_answers()
    assert counts() == []


def test_errors_and_empty_answers_are_left_out(project):
    answer(project, outcome="error", result=None)
    answer(project, outcome="empty", result=None)
    check_new_answers()
    assert counts() == []


def test_answers_for_an_earlier_label_config_are_left_out(project, origin):
    before = timezone.now() - timedelta(seconds=1)
    config = CONFIG.replace("Positive", "Great")
    update_project(project=project, origin=origin, label_config=config)
    answer(project, created_at=before, **GOOD)  # it named a label of that time
    answer(project, **BAD)
    check_new_answers()
    assert counts() == [("v1", 1, 0)]


@pytest.mark.parametrize("config", ["", "<View", "<View/>", "<!DOCTYPE v><View/>"])
def test_a_label_config_that_cannot_be_read_is_not_the_versions_fault(project, config):
    Project.objects.update(label_config=config)
    answer(project, **BAD)
    check_new_answers()
    assert counts() == []
    assert AnswerCheckPosition.objects.get().seal_number


def test_answers_of_a_project_that_is_gone_are_left_out(project):
    answer(project, project_pk=project.pk + 1, **BAD)
    answer(project, project_pk=None, **BAD)
    check_new_answers()
    assert counts() == []


def test_secrets_and_characters_that_cannot_be_stored_do_not_reach_the_example(project):
    region = choice("https://ana:hunter2@host/x")
    answer(project, result=[region], score=0.5)
    check_new_answers()
    reason = AnswerCheck.objects.get().example_reason
    assert "***@host" in reason
    assert "hunter2" not in reason


def test_predict_answers_as_before_and_the_answer_is_checked_later(
    scripted, post, project
):
    scripted.answer = [{"score": 1.2, "result": [choice()]}]
    reply = post("/predict", order(label_config=CONFIG))
    assert reply.json()["results"][0]["score"] == 1.2
    assert Prediction.objects.get().outcome == "ok"
    sealing.seal()
    check_new_answers()
    assert counts() == [("0.0.1", 1, 1)]


def test_metrics_count_answers_by_project_and_version(api, project):
    other = Project.objects.create(
        labelstudio_id=1, created_stamp=5, label_config=CONFIG
    )
    answer(project, 3, model_version='v"2"', **BAD)
    answer(other, 2, model_version='v"2"', **GOOD)  # Label Studio's ID, used again
    check_new_answers()
    lines = api.get("/metrics").text.splitlines()
    assert r'lsml_answers_checked_total{project="1",version="v\"2\""} 5.0' in lines
    assert r'lsml_answers_invalid_total{project="1",version="v\"2\""} 3.0' in lines


def test_metrics_leave_out_versions_that_are_no_longer_in_use(api, project):
    answer(project, **GOOD)
    check_new_answers()
    AnswerCheck.objects.update(last_checked_at=timezone.now() - timedelta(days=2))
    assert "lsml_answers_checked_total{" not in api.get("/metrics").text
