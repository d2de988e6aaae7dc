"""A worker checks all conditions, one at a time, whatever one of them does."""

from datetime import timedelta

import pytest
from celery import current_app
from django.db import connection
from django.utils import timezone

from lsml.quality import tasks
from lsml.quality.alarms import checks
from lsml.quality.alarms.conditions import Condition
from lsml.quality.models import Alarm, AlarmCheck

pytestmark = pytest.mark.django_db
Kind = Alarm.Kind


@pytest.fixture
def calls(monkeypatch):
    """Replace all conditions by one that holds, and count the checks."""
    found = []

    def holds(now):
        found.append(now)
        return [Condition("No worker.", "Start one.")]

    monkeypatch.setattr(checks, "CONDITIONS", {Kind.NO_WORKER: holds})
    return found


def later(seconds=checks.EVERY_S):
    """Let the last check be so many seconds ago."""
    ago = timezone.now() - timedelta(seconds=seconds)
    AlarmCheck.objects.update(checked_at=ago)


def test_beat_has_it_checked_by_workers_of_every_kind():
    """If those of one queue are gone, the others say so."""
    [entry] = [
        each
        for each in current_app.conf.beat_schedule.values()
        if each["task"] == tasks.check_alarms.name
    ]
    assert entry["schedule"].run_every.total_seconds() == checks.EVERY_S
    queue = current_app.amqp.router.route({}, tasks.check_alarms.name)["queue"]
    assert queue.name == "scheduled"


def test_two_checks_open_an_alarm(calls):
    checks.check_alarms()
    later()
    checks.check_alarms()
    assert Alarm.objects.get().state == "open"


def test_of_messages_that_piled_up_the_first_checks(calls):
    for _ in range(3):
        checks.check_alarms()
    assert len(calls) == 1


def test_while_another_worker_checks_none_does(calls):
    AlarmCheck.objects.create(
        pk=1, lease_expires_at=timezone.now() + timedelta(seconds=30)
    )
    checks.check_alarms()
    assert calls == []


def test_after_a_worker_was_killed_during_a_check_another_one_checks(calls):
    AlarmCheck.objects.create(
        pk=1, lease_expires_at=timezone.now() - timedelta(seconds=1)
    )
    checks.check_alarms()
    assert len(calls) == 1


def test_what_a_check_found_that_took_too_long_is_not_used(calls, monkeypatch):
    def slow(now):
        AlarmCheck.objects.update(lease_expires_at=timezone.now())  # another one's
        return [Condition("No worker.", "Start one.")]

    monkeypatch.setattr(checks, "CONDITIONS", {Kind.NO_WORKER: slow})
    checks.check_alarms()
    assert not Alarm.objects.exists()


def test_a_condition_that_fails_does_not_keep_others_from_being_checked(
    calls, monkeypatch
):
    def broken(now):
        yield Condition("One.", "Do.")
        raise OSError("the broker is away")

    everything = {Kind.MODEL_PROCESS_DOWN: broken, **checks.CONDITIONS}
    monkeypatch.setattr(checks, "CONDITIONS", everything)
    for _ in range(2):
        checks.check_alarms()
        later()
    assert [each.kind for each in Alarm.objects.all()] == [Kind.NO_WORKER]


@pytest.mark.django_db(transaction=True)
def test_a_database_error_of_a_condition_does_not_break_the_check(calls, monkeypatch):
    def broken(now):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM no_such_table")

    everything = {Kind.SEALING_LATE: broken, **checks.CONDITIONS}
    monkeypatch.setattr(checks, "CONDITIONS", everything)
    checks.check_alarms()
    assert Alarm.objects.count() == 1
