"""Two versions compared."""

from datetime import timedelta

import pytest
from django.utils import timezone

from lsml.audit.models import Prediction
from lsml.console.pages import compare
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


def test_versions_are_ordered_by_number_not_by_name(viewer):
    of = factory.project()
    for number in range(1, 11):
        last = factory.version(of, accuracy=0.5 + number / 100)
    answer = viewer.get(page("compare", last.pk), {"with": "v9"})
    assert "Difference (v10 − v9)" in answer.text
    assert differences(answer)["accuracy"] == pytest.approx(0.01)


def test_the_page_of_a_version_compares_it_with_its_parent(viewer):
    latest = factory.story(predictions=5)["latest"]
    assert "Difference (v3 − v2)" in viewer.get(detail_page(latest)).text


def test_two_versions_differ_on_the_tasks_they_answered_differently(viewer):
    of = factory.project()
    left, right = factory.version(of, accuracy=0.7), factory.version(of, accuracy=0.8)
    now = timezone.now()
    answers = {1: ("Positive", "Positive"), 2: ("Positive", "Negative")}
    Prediction.objects.bulk_create(
        factory.prediction(
            of,
            at=now - timedelta(seconds=n),
            n=10 * n + side,
            task_id=task,
            model_version=made.version,
            result=factory.choice(labels[side], score=0.5 + side / 10),
        )
        for n, (task, labels) in enumerate(answers.items())
        for side, made in enumerate((left, right))
    )
    shared, different = compare.differences(left, right)
    assert shared == 2
    assert [row.task_id for row in different] == [2]
    shown = viewer.get(page("compare", left.pk), {"with": right.version})
    assert "1 of 2 tasks" in shown.text


def test_a_prediction_that_failed_is_shown_with_the_first_line_of_its_error(viewer):
    of = factory.project()
    left, right = factory.version(of, accuracy=0.7), factory.version(of, accuracy=0.8)
    now = timezone.now()
    failed = {"result": None, "outcome": "error", "error": "ValueError: empty\nat 7"}
    answers = [(left, {"result": []}), (right, failed)]
    Prediction.objects.bulk_create(
        factory.prediction(
            of, at=now, n=n, task_id=1, model_version=made.version, **facts
        )
        for n, (made, facts) in enumerate(answers)
    )
    shown = viewer.get(page("compare", left.pk), {"with": "v2"}).text
    assert "failed: ValueError: empty" in shown
    assert "at 7" not in shown
    assert "nothing" in shown
    assert "(open to see)" not in shown
