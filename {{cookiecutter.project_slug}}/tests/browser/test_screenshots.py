"""`make screenshots`: pictures of the main pages, to be looked at by a person."""

import os
from pathlib import Path

import pytest
from django.urls import reverse

from tests.console.addresses import detail_page, list_page

FOLDER = os.environ.get("SCREENSHOTS", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="make screenshots")
WIDE = {"width": 1440, "height": 1000}
NARROW = {"width": 390, "height": 844}


def pages(story):
    from lsml.audit.models import Prediction

    return {
        "home": reverse("admin:index"),
        "project": detail_page(story["project"]),
        "version": detail_page(story["latest"]),
        "run": detail_page(story["running"]),
        "prediction": detail_page(Prediction.objects.filter(task_id=2).first()),
        "predictions": list_page("audit_prediction"),
        "serve": reverse("admin:console_serve", args=[story["project"].pk])
        + "?version=v1",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [WIDE, NARROW], ids=["wide", "narrow"])
def test_take_pictures(desk, story, scheme, screen):
    seat = desk(name="olga", viewport=screen, color_scheme=scheme)
    width = "wide" if screen is WIDE else "narrow"
    for name, path in pages(story).items():
        page = seat.open(path)
        target = Path(FOLDER) / f"admin-{name}-{width}-{scheme}.png"
        page.screenshot(path=target, full_page=width == "narrow")
