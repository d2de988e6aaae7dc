"""Where the console shows predictions that annotators did not see."""

import pytest
from django.utils import timezone

from lsml.dataset.models import LiveAgreementDay
from tests.console import factory
from tests.console.addresses import detail_page, list_page, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def of():
    return factory.project()


def predictions(of):
    """One that was shown, and one that was not."""
    now = timezone.now()
    rows = [
        factory.prediction(of, at=now, n=n, withheld=withheld)
        for n, withheld in enumerate([False, True])
    ]
    for row in rows:
        row.save()
    return rows


def test_the_page_of_a_prediction_says_that_it_was_not_shown(viewer, of):
    shown, withheld = predictions(of)
    assert "not shown" in viewer.get(detail_page(withheld)).text
    assert "not shown" not in viewer.get(detail_page(shown)).text


def test_the_list_names_those_not_shown_and_lists_them_alone(viewer, of):
    shown, withheld = predictions(of)
    every = viewer.get(list_page("audit_prediction")).text
    assert every.count("(not shown)") == 1
    alone = viewer.get(list_page("audit_prediction") + "?withheld=1").text
    assert detail_page(withheld) in alone
    assert detail_page(shown) not in alone


def test_live_agreement_of_both_kinds_stands_side_by_side(viewer, of):
    LiveAgreementDay.objects.create(
        project=of,
        model_version=of.served_version,
        day=timezone.now().date(),
        sums={"overall": {"": [400, 364, 364]}, "not_shown": {"": [25, 21, 21]}},
    )
    shown = viewer.get(page("live_agreement", of.pk)).text
    assert "91.0 % (87.8–93.4 %)" in shown
    assert "84 % (65–94 %)" in shown
    assert "An influence of suggestions cannot be told from chance" in shown


def test_a_project_without_annotations_says_so(viewer, of):
    assert "No annotation of a task" in viewer.get(page("live_agreement", of.pk)).text


def test_the_page_needs_few_queries(viewer, of, django_assert_max_num_queries):
    with django_assert_max_num_queries(15):
        viewer.get(page("live_agreement", of.pk))
