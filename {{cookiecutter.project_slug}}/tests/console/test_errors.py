"""What failed, grouped: on home, on the project's page, on a page of its own."""

from datetime import timedelta

import pytest
from django.utils import timezone

from lsml.training.models import TrainingRun
from tests.console import factory
from tests.console.addresses import detail_page, page
from tests.console.test_detail_pages import QUERIES_MAX

pytestmark = pytest.mark.django_db


def test_the_page_lists_the_groups_of_a_project_the_latest_first(viewer):
    of = factory.project()
    old = timezone.now() - timedelta(days=30)
    factory.error_group(of, "KeyError: <value>", last_seen_at=old, first_seen_at=old)
    factory.error_group(of)
    factory.error_group(factory.project("Another", 2), "not ours")
    shown = viewer.get(page("errors", of.pk)).text
    assert shown.index("ValueError: empty text") < shown.index("KeyError: &lt;value")
    assert "12 predictions" in shown
    assert "v2, v3" in shown
    assert "not ours" not in shown


def test_each_group_has_an_example_to_open(viewer):
    story = factory.story(predictions=100)
    failed = story["project"].runs.get(state="failed")
    factory.error_group(story["project"], example_id=4711)
    factory.error_group(story["project"], "x", source="run", example_id=failed.pk)
    shown = viewer.get(page("errors", story["project"].pk)).text
    assert "/admin/audit/prediction/4711/change/" in shown
    assert f'href="{detail_page(TrainingRun(pk=failed.pk))}"' in shown


def test_a_project_without_errors_says_so(viewer):
    assert "no run has failed" in viewer.get(page("errors", factory.project().pk)).text


def test_home_shows_what_failed_in_the_last_24_hours(viewer):
    of = factory.project()
    yesterday = timezone.now() - timedelta(hours=25)
    factory.error_group(of)
    factory.error_group(of, "an older one", last_seen_at=yesterday)
    gone = factory.project("Gone", 2, archived_at=timezone.now())
    factory.error_group(gone, "of an archived project")
    shown = viewer.get("/admin/").text
    assert "ValueError: empty text" in shown
    assert page("errors", of.pk) in shown
    assert "an older one" not in shown
    assert "of an archived project" not in shown


def test_home_shows_a_few_groups_only(viewer):
    of = factory.project()
    for number in range(8):
        factory.error_group(of, f"error number {number}")
    shown = viewer.get("/admin/").text
    assert shown.count("error number") == 5
    assert "error number 7" in shown


def test_the_page_of_a_project_shows_the_latest_in_no_more_queries(
    viewer, django_assert_max_num_queries
):
    of = factory.story(predictions=120)["project"]
    for number in range(8):
        factory.error_group(of, f"error number {number}")
    with django_assert_max_num_queries(QUERIES_MAX):
        shown = viewer.get(detail_page(of)).text
    assert shown.count("error number") == 5
    assert page("errors", of.pk) in shown


def test_the_page_of_a_project_counts_its_waiting_events(viewer):
    of = factory.story(predictions=5)["project"]
    shown = " ".join(viewer.get(detail_page(of)).text.split())
    assert "<dt>Waiting events</dt> <dd>4</dd>" in shown
    shown = " ".join(viewer.get(detail_page(factory.project("B", 2))).text.split())
    assert "<dt>Waiting events</dt> <dd>0</dd>" in shown


def test_an_alarm_about_failing_predictions_leads_to_the_groups(viewer):
    of = factory.project()
    factory.alarm(of, kind="failing_predictions", sentence="9 of 10 failed.")
    assert page("errors", of.pk) in viewer.get("/admin/").text
