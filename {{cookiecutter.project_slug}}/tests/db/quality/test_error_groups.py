"""Failed predictions and runs are grouped once, from sealed rows."""

from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from lsml.audit import sealing
from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.quality import tasks
from lsml.quality.error_groups import grouping
from lsml.quality.error_groups.grouping import group_errors
from lsml.quality.models import ErrorGroup
from tests.db.audit.conftest import no_seal_was_ever_made
from tests.db.audit.rows import another_connection, predict

__all__ = ["no_seal_was_ever_made"]  # pytest finds fixtures by name
pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now()
MINUTE = timedelta(minutes=1)


@pytest.fixture
def fail(project):
    """Record and seal failed predictions."""

    def fail(error="KeyError: 'text'", number=1, **facts):
        given = {"project_pk": project.pk, "outcome": "error", "error": error}
        rows = predict(number, **given | {"result": None, "score": None} | facts)
        sealing.seal()
        return rows

    return fail


@pytest.fixture
def fail_run(project, origin):
    """Record and seal a failed run, as the end of a run does."""

    def fail_run(run, error, at=NOW):
        record_entry(
            origin=origin,
            at=at,
            actor="worker",
            verb=AuditEntry.Verb.TRAINING_FAILED,
            target=f"run {run}",
            project_pk=project.pk,
            detail={"run": run, "error": error},
        )
        sealing.seal()

    return fail_run


def groups():
    rows = ErrorGroup.objects.order_by("last_seen_at", "pk")
    return [(row.pattern, row.count) for row in rows]


def test_errors_that_differ_in_values_only_are_one_group(fail, project):
    fail("KeyError: 'text'", 2, created_at=NOW - MINUTE)
    [latest] = fail("KeyError: 'title'", created_at=NOW)
    fail("ValueError: empty text", created_at=NOW - 2 * MINUTE)
    group_errors()
    assert groups() == [("ValueError: empty text", 1), ("KeyError: <value>", 3)]
    found = ErrorGroup.objects.get(count=3)
    assert (found.project, found.source) == (project, "prediction")
    assert (found.first_seen_at, found.last_seen_at) == (NOW - MINUTE, NOW)
    assert found.example_id == latest.pk


def test_what_succeeded_has_no_group(project):
    predict(project_pk=project.pk)
    predict(project_pk=project.pk, outcome="empty")
    sealing.seal()
    group_errors()
    assert groups() == []


def test_failed_runs_are_grouped_apart_from_predictions(fail, fail_run):
    fail("ValueError: only one class", created_at=NOW - MINUTE)
    fail_run(7, "ValueError: only one class")
    fail_run(8, "ValueError: only one class")
    group_errors()
    found = ErrorGroup.objects.get(source="run")
    assert (found.count, found.example_id, found.versions) == (2, 8, [])
    assert ErrorGroup.objects.get(source="prediction").count == 1


def test_projects_are_apart(fail, project):
    fail()
    fail(project_pk=project.pk + 1_000)  # is not there
    fail(project_pk=None)
    group_errors()
    assert groups() == [("KeyError: <value>", 1)]


def test_versions_are_listed_once_the_latest_last(fail, monkeypatch):
    monkeypatch.setattr(grouping, "VERSIONS_MAX", 3)
    for minute, version in enumerate(["v1", "v2", "v3", "v1", "v4"]):
        fail(model_version=version, created_at=NOW + minute * MINUTE)
        if minute % 2:
            group_errors()
    group_errors()
    assert ErrorGroup.objects.get().versions == ["v3", "v1", "v4"]


def test_versions_that_failed_in_one_round_are_in_order(fail):
    for minute, version in enumerate(["v2", "v3", "v1"]):
        fail(model_version=version, created_at=NOW + minute * MINUTE)
    group_errors()
    assert ErrorGroup.objects.get().versions == ["v2", "v3", "v1"]


def test_each_failure_counts_once_in_however_many_rounds(fail):
    fail(number=3)
    group_errors()
    group_errors()
    fail(number=2)
    group_errors()
    group_errors()
    assert groups() == [("KeyError: <value>", 5)]


def test_after_an_outage_nothing_is_left_out(fail, monkeypatch):
    monkeypatch.setattr("lsml.audit.windows.BATCH_ROWS", 4)
    for _ in range(5):
        fail(number=3)
    group_errors()
    assert groups() == [("KeyError: <value>", 15)]


def test_a_round_is_bounded_and_the_next_goes_on(fail, monkeypatch):
    monkeypatch.setattr("lsml.audit.windows.BATCH_ROWS", 4)
    monkeypatch.setattr(grouping, "_BATCHES_MAX", 2)
    for _ in range(3):
        fail(number=4)
    group_errors()
    assert groups() == [("KeyError: <value>", 8)]
    group_errors()
    assert groups() == [("KeyError: <value>", 12)]


def test_a_round_that_is_killed_counts_nothing_and_is_made_up_for(fail, monkeypatch):
    fail(number=3)

    def die(*_):  # the position has moved
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(grouping, "_add", die)
        with pytest.raises(SystemExit):
            group_errors()
    group_errors()
    assert groups() == [("KeyError: <value>", 3)]


def test_two_workers_at_once_count_each_failure_once(fail, monkeypatch):
    fail(number=3)
    grouped, others = grouping._grouped, [group_errors]

    def be_overtaken(*given):
        found = grouped(*given)
        if others:
            others.pop()()
        return found

    monkeypatch.setattr(grouping, "_grouped", be_overtaken)
    group_errors()
    assert groups() == [("KeyError: <value>", 3)]


def test_a_failure_whose_transaction_ends_late_is_counted(fail):
    with another_connection() as slow:
        slow.execute("SELECT pg_current_xact_id()")
        fail(number=2)
        group_errors()
        assert groups() == []  # nothing is sealed before that transaction ends
    sealing.seal()
    group_errors()
    assert groups() == [("KeyError: <value>", 2)]


def test_a_project_keeps_the_groups_seen_last(fail, monkeypatch):
    monkeypatch.setattr(grouping, "GROUPS_MAX", 2)
    for minute, name in enumerate("abcd"):
        fail(f"{name} failed", created_at=NOW + minute * MINUTE)
    group_errors()  # as one batch
    fail("e failed", created_at=NOW + 9 * MINUTE)
    group_errors()
    assert groups() == [("d failed", 1), ("e failed", 1)]


def test_a_group_that_was_not_seen_for_long_is_removed(fail):
    fail("old one", created_at=NOW - timedelta(days=91))
    fail("known one", created_at=NOW - timedelta(days=89))
    group_errors()
    assert groups() == [("known one", 1)]


def test_the_text_of_tasks_is_not_copied(fail):
    fail("ValueError: bad text 'Ada Lovelace owes 17'")
    group_errors()
    stored = " ".join(str(row) for row in ErrorGroup.objects.values_list())
    assert "Ada" not in stored
    assert "17" not in ErrorGroup.objects.get().pattern


def test_beat_has_them_grouped():
    entries = current_app.conf.beat_schedule.values()
    assert tasks.group_errors.name in {each["task"] for each in entries}
