"""Two versions side by side."""

import pytest

from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db


def differences(answer):
    return {row["name"]: row["by"] for row in answer.context["metrics"]}


def test_a_difference_is_newer_minus_older_from_whichever_side_it_was_opened(viewer):
    of = factory.story(predictions=5)["project"]
    older, newer = of.versions.get(version="v1"), of.versions.get(version="v2")
    opened_from = {}
    for version, other in ((older, newer), (newer, older)):
        answer = viewer.get(page("compare", version.pk), {"with": other.version})
        opened_from[version.version] = differences(answer)
        assert "Difference (v2 − v1)" in answer.text
        assert answer.context["title"] == "Compare v1 with v2"
    assert opened_from["v1"] == opened_from["v2"]
    assert opened_from["v1"]["accuracy"] == pytest.approx(0.83 - 0.71)


def test_versions_are_told_apart_by_number_not_by_name(viewer):
    of = factory.project()
    for number in range(1, 11):
        last = factory.version(of, accuracy=0.5 + number / 100)
    answer = viewer.get(page("compare", last.pk), {"with": "v9"})
    assert "Difference (v10 − v9)" in answer.text
    assert differences(answer)["accuracy"] == pytest.approx(0.01)


def test_a_version_page_says_that_it_is_compared_with_its_parent(viewer):
    latest = factory.story(predictions=5)["latest"]
    assert "Difference (v3 − v2)" in viewer.get(detail_page(latest)).text


def test_before_a_promotion_the_difference_is_what_serving_will_gain_or_lose(operator):
    of = factory.story(predictions=5)["project"]
    answer = operator.get(page("promote", of.pk), {"version": "v1"})
    assert "Difference (v1 − v3)" in answer.text
    assert differences(answer)["accuracy"] == pytest.approx(0.71 - 0.92)
