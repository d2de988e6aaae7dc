"""The list and the pages of alarms, and acknowledging."""

import pytest
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.quality.models import Alarm, AlarmMessage
from tests.console import factory
from tests.console.addresses import detail_page, list_page, page

pytestmark = pytest.mark.django_db
NOW = timezone.now


def test_an_operator_acknowledges_an_alarm_and_it_is_recorded(operator):
    of = factory.project()
    alarm = factory.alarm(of)
    answer = operator.post(page("acknowledge", alarm.pk), {"reason": "I look at it"})
    assert answer.status_code == 302
    alarm.refresh_from_db()
    assert (alarm.state, alarm.acknowledged_by) == ("acknowledged", "olga")
    entry = AuditEntry.objects.get(verb="alarm acknowledged")
    assert (entry.actor, entry.project_pk) == ("olga", of.pk)
    assert (entry.target, entry.reason) == (f"alarm {alarm.pk}", "I look at it")
    assert entry.detail["sentence"] == alarm.sentence


def test_a_reason_is_not_needed(operator):
    alarm = factory.alarm()
    operator.post(page("acknowledge", alarm.pk), {"reason": ""})
    alarm.refresh_from_db()
    assert alarm.state == "acknowledged"


@pytest.mark.parametrize(
    "facts",
    [
        {"acknowledged_at": NOW(), "acknowledged_by": "ana"},
        {"cleared_at": NOW()},
        {"opened_at": None},
    ],
)
def test_only_an_open_alarm_is_acknowledged_and_once(operator, facts):
    alarm = factory.alarm(**facts)
    operator.post(page("acknowledge", alarm.pk), {"reason": ""})
    assert Alarm.objects.filter(pk=alarm.pk, acknowledged_by="olga").count() == 0
    assert not AuditEntry.objects.filter(verb="alarm acknowledged").exists()


def test_a_link_acknowledges_nothing(operator):
    alarm = factory.alarm()
    operator.get(page("acknowledge", alarm.pk))
    alarm.refresh_from_db()
    assert alarm.state == "open"


def test_a_viewer_sees_no_button_and_is_refused(viewer):
    alarm = factory.alarm()
    assert "Acknowledge" not in viewer.get(detail_page(alarm)).text
    assert "Acknowledge" not in viewer.get("/admin/").text
    assert viewer.post(page("acknowledge", alarm.pk)).status_code == 403


def test_its_page_says_what_to_do_and_what_was_sent(operator):
    alarm = factory.alarm(factory.project())
    for channel, facts in (
        ("webhook", {"error": "The webhook answered with status 500."}),
        ("email", {"sent_at": NOW()}),
    ):
        AlarmMessage.objects.create(
            alarm=alarm, channel=channel, news="opened", created_at=NOW(), **facts
        )
    shown = operator.get(detail_page(alarm)).text
    assert "Read its log." in shown
    assert "The webhook answered with status 500." in shown
    assert "e-mail, opened" in shown
    assert "state=failed" in shown


@pytest.mark.parametrize("kind", Alarm.Kind)
def test_each_kind_leads_to_a_page(viewer, kind):
    alarm = factory.alarm(factory.project(), kind=kind)
    [(shown, address)] = viewer.get("/admin/").context["alarms"]
    assert shown == alarm
    assert viewer.get(address).status_code == 200


@pytest.mark.parametrize(
    ("state", "number"), [("open", 1), ("acknowledged", 1), ("cleared", 2), ("", 4)]
)
def test_the_list_is_filtered_by_state_and_leaves_out_what_was_seen_once(
    viewer, state, number
):
    known = {"acknowledged_at": NOW(), "acknowledged_by": "ana"}
    factory.alarm()
    factory.alarm(subject="a", **known)
    factory.alarm(subject="b", cleared_at=NOW(), **known)
    factory.alarm(subject="c", cleared_at=NOW())
    factory.alarm(subject="d", opened_at=None)
    shown = viewer.get(list_page("quality_alarm"), {"state": state}).context["cl"]
    assert len(shown.result_list) == number
