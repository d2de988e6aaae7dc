"""Promote and roll back."""

import pytest
from django.utils import timezone

from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)  # it loads in a thread of its own
def test_promoting_requires_a_reason_and_records_who_gave_it(operator, constant):
    of = factory.story(predictions=1)["project"]
    first = of.versions.get(version="v1")
    address = page("promote", of.pk) + "?version=v1"
    assert "Will serve" in operator.get(address).text
    assert operator.post(address, {"reason": ""}).status_code == 200
    of.refresh_from_db()
    assert of.active_version != first
    operator.post(address, {"reason": "v3 forgot a label"})
    of.refresh_from_db()
    assert of.active_version == first
    last = of.promotions.order_by("-pk").first()
    assert (last.actor, last.reason) == ("olga", "v3 forgot a label")


def test_a_promotion_against_the_policy_is_marked_on_each_page(viewer):
    of = factory.story(predictions=1)["project"]
    version = of.versions.get(version="v1")
    made = of.promotions.create(
        to_version=version,
        at=timezone.now(),
        actor="olga",
        reason="we need it",
        overrides="recall of Refund fell",
    )
    for shown in (of, version, made):
        assert "gainst the promotion policy" in viewer.get(detail_page(shown)).text
    assert "recall of Refund fell" in viewer.get(detail_page(made)).text


@pytest.mark.django_db(transaction=True)  # it loads in a thread of its own
def test_rolling_back_serves_what_was_served_before(operator, constant):
    of = factory.story(predictions=1)["project"]
    address = page("roll_back", of.pk)
    operator.post(address, {"reason": "worse"})
    of.refresh_from_db()
    assert of.active_version.version == "v2"


def test_a_viewer_sees_no_button_and_is_refused_by_the_server(viewer):
    of = factory.story(predictions=1)["project"]
    address = page("promote", of.pk) + "?version=v1"
    assert "Promote" not in viewer.get(detail_page(of)).text.replace("Promotions", "")
    assert viewer.get(address).status_code == 403
    assert viewer.post(address, {"reason": "please"}).status_code == 403
    of.refresh_from_db()
    assert of.active_version.version == "v3"


def test_before_a_promotion_the_difference_is_new_minus_served(operator):
    of = factory.story(predictions=5)["project"]
    answer = operator.get(page("promote", of.pk), {"version": "v1"})
    assert "Difference (v1 − v3)" in answer.text
    assert differences(answer)["accuracy"] == pytest.approx(0.71 - 0.92)


def differences(answer):
    return {row["name"]: row["by"] for row in answer.context["metrics"]}
