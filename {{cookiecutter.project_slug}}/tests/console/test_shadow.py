"""The page that tries a version in shadow."""

import pytest

from lsml.audit.models import AuditEntry
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
    assert "0 annotated tasks: too few to tell" in shown
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
