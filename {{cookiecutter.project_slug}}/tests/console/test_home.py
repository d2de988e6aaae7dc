"""The home page."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.console import factory

pytestmark = pytest.mark.django_db
QUERIES_MAX = 15


def test_home_names_the_served_version_in_few_queries(
    viewer, django_assert_max_num_queries
):
    factory.story(predictions=50)
    with django_assert_max_num_queries(QUERIES_MAX):
        home = viewer.get(reverse("admin:index"))
    assert "Support mail" in home.text
    assert ">v3<" in home.text


def test_home_without_a_project_shows_the_command_that_connects_one(viewer):
    assert "manage.py connect --url" in viewer.get(reverse("admin:index")).text


def test_home_warns_about_what_needs_attention(viewer):
    story = factory.story(predictions=100)
    of = story["project"]
    story["latest"].missing_labels = ["Spam"]
    story["latest"].save()
    home = viewer.get("/admin/").text
    assert "the config has lost labels of v3" in home
    assert "predictions failed" in home
    assert "only one class" in home
    of.runs.filter(state="running").update(state="succeeded")
    of.inbox.update(received_at=timezone.now() - timedelta(hours=1))
    assert "no run has taken them" in viewer.get("/admin/").text
