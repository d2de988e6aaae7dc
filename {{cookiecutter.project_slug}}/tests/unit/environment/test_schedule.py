"""Beat's schedule does not depend on the host's clock, which may be set."""

from datetime import timedelta

import pytest
from celery.beat import ScheduleEntry

from config import celery_app
from lsml.environment.steady import steady_now


def test_no_message_is_due_by_the_hosts_clock():
    schedules = [each["schedule"] for each in celery_app.conf.beat_schedule.values()]
    assert {each.nowfun for each in schedules} == {steady_now}


@pytest.mark.parametrize("name", ["sweep", "seal"])
def test_a_clock_that_is_set_back_delays_no_message(name, monkeypatch):
    every = celery_app.conf.beat_schedule[name]["schedule"]
    entry = ScheduleEntry(name, schedule=every, app=celery_app)
    right_now = celery_app.now
    monkeypatch.setattr(celery_app, "now", lambda: right_now() - timedelta(hours=1))
    _, wait_s = entry.is_due()
    assert wait_s <= 10
