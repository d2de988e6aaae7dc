"""The timeline of a project."""

import pytest

from tests.console import factory
from tests.console.addresses import page

pytestmark = pytest.mark.django_db


def test_the_timeline_pages_through_everything_once_and_in_order(viewer):
    of = factory.story(predictions=1)["project"]
    address, seen = page("timeline", of.pk), []
    before = ""
    while before is not None:
        shown = viewer.get(address, {"before": before}).context
        seen += shown["entries"]
        before = shown["older"]
    assert len(seen) == len({(e.kind, e.address) for e in seen})
    assert [e.key for e in seen] == sorted((e.key for e in seen), reverse=True)
    assert {e.kind for e in seen} == {"event", "run", "promotion", "entry"}


def test_the_timeline_is_filtered_by_kind(viewer):
    of = factory.story(predictions=1)["project"]
    shown = viewer.get(page("timeline", of.pk), {"kind": "run"}).context["entries"]
    assert {entry.kind for entry in shown} == {"run"}
