"""`make screenshots`: pictures of the main pages, for a person to look at."""

import os
from pathlib import Path

import pytest
from django.urls import reverse

from lsml.audit.models import Prediction
from lsml.console.pages import models_in_memory
from tests.browser.loaded import LoadedModels
from tests.browser.quality import measured
from tests.console import shapes
from tests.console.addresses import detail_page, list_page, page

FOLDER = os.environ.get("SCREENSHOTS", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="make screenshots")
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}


def pages(story):
    image, text, others = shapes.drawn_predictions()
    in_shadow = measured(story["project"])
    return {
        "home": reverse("admin:index"),
        "project": detail_page(story["project"]),
        "drift": page("drift", story["project"].pk),
        "live-agreement": page("live_agreement", story["project"].pk),
        "shadow": page("shadow", in_shadow.pk),
        "version-in-shadow": detail_page(in_shadow),
        "held-back": detail_page(in_shadow.evaluations.get()),
        "timeline": page("timeline", story["project"].pk),
        "version": detail_page(story["latest"]),
        "compare": page("compare", story["latest"].pk) + "?with=v2",
        "next": page("next", story["project"].pk),
        "next-diverse": page("next", story["project"].pk) + "?strategy=diverse",
        "suspicious": page("suspicious", story["project"].pk),
        "suspicious-text": page("suspicious", text.project_pk),
        "run": detail_page(story["running"]),
        "evaluation": detail_page(story["latest"].evaluations.get()),
        "evaluations": list_page("quality_evaluation"),
        "prediction": detail_page(image),
        "prediction-text": detail_page(text),
        "prediction-others": detail_page(others),
        "prediction-choices": detail_page(Prediction.objects.filter(task_id=2).first()),
        "predictions": list_page("audit_prediction"),
        "seals": list_page("audit_seal"),
        "audit_jobs": list_page("audit_auditjob"),
        "predict": page("predict", story["project"].pk),
        "policy": page("policy", story["project"].pk),
        "models": page("models"),
        "promote": page("promote", story["project"].pk) + "?version=v1",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_screenshots_are_taken(desk, story, scheme, screen, monkeypatch):
    loaded = LoadedModels(story["project"])
    monkeypatch.setattr(models_in_memory, "models", lambda: loaded)
    seat = desk(name="olga", viewport=screen, color_scheme=scheme)
    width = "wide" if screen is WIDE else "narrow"
    Path(FOLDER).mkdir(parents=True, exist_ok=True)
    for name, path in pages(story).items():
        shown = seat.open(path)
        target = Path(FOLDER) / f"admin-{name}-{width}-{scheme}.png"
        shown.screenshot(path=target)
