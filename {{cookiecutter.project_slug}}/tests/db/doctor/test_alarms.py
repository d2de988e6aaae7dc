"""Doctor says where alarms are sent, and whether they are."""

from datetime import timedelta

import pytest
from django.utils import timezone

from lsml.doctor.alarms import check_alarms
from lsml.quality.models import AlarmCheck, AlarmMessage
from tests.console.factory import alarm

pytestmark = pytest.mark.django_db


def message(channel, **facts):
    given = {"news": "opened", "created_at": timezone.now(), "attempts": 1}
    AlarmMessage.objects.create(
        alarm=alarm(subject=channel), channel=channel, **given | facts
    )


def test_without_addresses_doctor_says_that_none_is_set():
    alarm()
    texts = [each.text for each in check_alarms()]
    assert texts == [
        "are checked",
        "ALERT_WEBHOOK_URL is not set",
        "ALERT_EMAIL_TO is not set",
    ]


def test_the_host_of_the_webhook_is_shown_and_nothing_else_of_it(settings, attention):
    settings.ALERT_WEBHOOK_URL = "https://hooks.example/services/secret-path"
    settings.ALERT_EMAIL_TO = ["ana@example.com"]
    message("webhook", error="The webhook answered with status 500.")
    message("email", sent_at=timezone.now())
    found = attention(check_alarms)
    assert set(found) == {"alarms by webhook"}
    text = found["alarms by webhook"].text
    assert text == "to hooks.example: The webhook answered with status 500."


def test_alarms_that_no_worker_checks_any_more_are_found(attention):
    assert attention(check_alarms) == {}  # as in a service that has just started
    alarm()
    assert attention(check_alarms) == {}
    AlarmCheck.objects.update(checked_at=timezone.now() - timedelta(minutes=2))
    assert "not checked since" in attention(check_alarms)["alarms"].text
