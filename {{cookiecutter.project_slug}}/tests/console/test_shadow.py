"""The page that tries a version in shadow."""

import pytest

from lsml.audit.models import AuditEntry
from lsml.console.pages import shadow
from lsml.quality.shadow import ShadowReport
from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db


def test_an_operator_starts_compares_and_stops_it(operator):
    of = factory.project()
    made = factory.version(of, accuracy=0.6)
    address = page("shadow", made.pk)
    assert address in operator.get(detail_page(made)).text
    form = operator.get(address).text
    assert "Start the shadow" in form
    operator.post(address, {"reason": "try", "percent": 30})
    assert "It predicts 30 % of the tasks" in operator.get(detail_page(made)).text
    shown = operator.get(address).text
    assert "0 annotated tasks are too few to tell" in shown
    assert "Stop the shadow" in shown
    operator.post(address, {"reason": "enough"})
    of.refresh_from_db()
    assert of.shadow_version is None
    entries = AuditEntry.objects.filter(verb__startswith="shadow").order_by("pk")
    assert [each.reason for each in entries] == ["try", "enough"]


def test_it_needs_a_reason(operator):
    made = factory.version(factory.project(), accuracy=0.6)
    answer = operator.post(page("shadow", made.pk), {"percent": 30})
    assert "This field is required." in answer.text
    made.project.refresh_from_db()
    assert made.project.shadow_version is None


def report(**facts):
    """What v2 did in shadow of v1 on 43 annotated tasks."""
    given = {
        "version": "v2", "compared_with": "v1", "percent": 20, "predicted": 50,
        "failed": 0, "waiting": 0, "unknown": 0, "dropped": 0, "compared": 43,
        "passes": False, "verdict": "93 % → 85 % on 43 annotated tasks",
        "figures": {
            "versions": [factory.figures("v2", 0.85), factory.figures("v1", 0.93)]
        },
    }  # fmt: skip
    return ShadowReport(**given | facts)


@pytest.fixture
def in_shadow():
    of = factory.project()
    factory.promote(of, factory.version(of, accuracy=0.9), of.created_at)
    of.shadow_version = factory.version(of, accuracy=0.8)
    of.save()
    return of.shadow_version


def test_both_versions_are_compared_by_control_and_by_label(
    operator, in_shadow, monkeypatch
):
    monkeypatch.setattr(shadow, "shadow_report", lambda *_, **__: report())
    shown = " ".join(operator.get(page("shadow", in_shadow.pk)).text.split())
    assert "sentiment (choices)" in shown
    row = shown[shown.index(">Positive<") :][:250]
    assert "<td>91 % (83–97 %)</td> <td>83 % (75–89 %)</td> <td>−8 points</td>" in row


def test_a_policy_that_does_not_compare_says_so_in_shadow(
    operator, in_shadow, monkeypatch
):
    monkeypatch.setattr(shadow, "shadow_report", lambda *_, **__: report())
    said = "The policy promotes every new version."
    assert said not in operator.get(page("shadow", in_shadow.pk)).text
    in_shadow.project.promotion_policy = "always"
    in_shadow.project.save()
    assert said in operator.get(page("shadow", in_shadow.pk)).text
