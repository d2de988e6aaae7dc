"""Beat has a worker check answers, where label-studio-sdk is loaded anyway."""

from celery import current_app

from lsml.quality import tasks
from lsml.quality.validity import live


def test_beat_sends_it_to_the_workers_of_bulk_predictions():
    entries = current_app.conf.beat_schedule.values()
    assert tasks.check_answers.name in {each["task"] for each in entries}
    assert tasks.check_answers.name not in current_app.conf.task_routes


def test_of_messages_that_piled_up_the_first_checks(monkeypatch):
    calls = []
    monkeypatch.setattr(live, "check_new_answers", lambda: calls.append(1))
    monkeypatch.setattr(tasks, "_checks", tasks.Pace())
    for _ in range(3):
        tasks.check_answers()
    assert calls == [1]
