"""The page of live agreement."""

import pytest

from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db


def test_it_shows_agreement_by_control_and_annotator(viewer):
    of = factory.project()
    factory.live_agreement(of, "0.0.1")
    shown = " ".join(viewer.get(page("live_agreement", of.pk)).text.split())
    assert "<td>90 % (70–97 %)</td> <td>20</td>" in shown
    assert "4711 </th> <td>16</td> <td>100 % (81–100 %)" in shown
    assert "others </th> <td>4</td> <td>50 %" in shown


def test_a_project_without_annotations_says_what_counts(viewer):
    of = factory.project()
    assert "No annotation of a task" in viewer.get(page("live_agreement", of.pk)).text
    assert page("live_agreement", of.pk) in viewer.get(detail_page(of)).text
