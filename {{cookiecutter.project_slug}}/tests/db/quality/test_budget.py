"""Reports leave the web processes time for Label Studio."""

import pytest
from django.urls import reverse

from lsml.observability.origin import Origin
from lsml.quality import budget
from lsml.quality.budget import Budget, one_report
from lsml.quality.next.services import Strategy, next_tasks
from lsml.quality.suspicious.services import suspicious_annotations
from tests.console import factory
from tests.console.addresses import page

USED_UP = Budget(-1)


def test_a_page_of_a_second_report_says_that_it_must_wait(db, client, monkeypatch):
    monkeypatch.setattr(budget, "_WAIT_S", 0.01)
    client.force_login(factory.person("vera", "viewer"))
    of = factory.project()
    with one_report():
        for name in ("next", "suspicious"):
            answer = client.get(page(name, of.pk))
            assert (answer.status_code, answer["Retry-After"]) == (503, "3")
            assert "Another report is being computed" in answer.text
    assert client.get(page("next", of.pk)).status_code == 200


@pytest.mark.parametrize("name", ["v1-next", "v1-suspicious-annotations"])
def test_a_second_report_is_refused_in_rest(db, client, monkeypatch, name):
    monkeypatch.setattr(budget, "_WAIT_S", 0.01)
    client.force_login(factory.person("vera", "viewer"))
    address = reverse(name, args=[factory.project().pk])
    with one_report():
        answer = client.get(address)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert client.get(address).status_code == 200


def test_when_the_time_is_used_up_the_report_says_what_it_left_out(history):
    history.agree(range(1, 41))
    report = suspicious_annotations(project=history.project, limit=10, budget=USED_UP)
    assert report.examined == 0
    assert "Only the newest 0 were examined." in report.coverage


def test_when_the_time_is_used_up_no_more_answers_are_compared(history):
    for task in range(1, 31):
        history.annotate(task, "Refund").delete()  # the task stays, unlabelled
        history.predict(task, "Refund")
        history.predict(task, "Billing", version="v1")
    history.version(1, "", "2026-11-30T00:00:00Z")
    found = next_tasks(
        project=history.project,
        limit=10,
        origin=Origin(request_id="test-request", client="test"),
        strategy=Strategy.DISAGREEMENT,
        budget=USED_UP,
    )
    assert not found.results
    assert "Only the 0 least certain tasks were compared." in found.notes
