"""Logins that have expired are removed every day, and no others."""

from datetime import timedelta

import pytest
from celery import current_app
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone
from knox.models import AuthToken

from lsml.access.tasks import remove_expired_logins

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_expired_sessions_are_removed():
    for key, left in (("old", -HOUR), ("new", HOUR)):
        expires = timezone.now() + left
        Session.objects.create(session_key=key, expire_date=expires)
    remove_expired_logins()
    assert [session.session_key for session in Session.objects.all()] == ["new"]


def test_expired_tokens_are_removed():
    user = get_user_model().objects.create_user("ann")
    kept = [AuthToken.objects.create(user, expiry=left)[0] for left in (HOUR, None)]
    AuthToken.objects.create(user, expiry=-HOUR)
    remove_expired_logins()
    assert set(AuthToken.objects.all()) == set(kept)


def test_beat_sends_it_where_messages_of_webhooks_do_not_delay_it():
    name = remove_expired_logins.name
    assert name in {beat["task"] for beat in current_app.conf.beat_schedule.values()}
    assert current_app.amqp.router.route({}, name)["queue"].name == "scheduled"
