"""Every page in a real browser: no complaint, no serious accessibility finding."""

import pytest
from django.urls import reverse

from lsml.audit.models import AuditEntry, AuditJob, Prediction, WebhookEvent
from lsml.dataset.models import Annotation, Task
from lsml.registry.models import Promotion
from tests.browser.axe import findings
from tests.console.addresses import detail_page, list_page, page
from tests.console.shapes import drawn_predictions
from tests.console.test_pages import LISTS

SCREENS = {
    "wide-light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "narrow-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}


def every_page(story):
    of, latest, running = story["project"], story["latest"], story["running"]
    job = AuditJob.objects.create(
        kind="verify", requested_by="ada", created_at=of.created_at, state="succeeded",
        report={"intact": True, "rows": 5, "seals": 1, "unsealed_rows": 0},
    )  # fmt: skip
    rows = [of, latest, running, story["runs"][0], job]
    models = (Prediction, WebhookEvent, AuditEntry, Task, Annotation, Promotion)
    rows += [model.objects.order_by("-pk").first() for model in models]
    rows += drawn_predictions()
    return [
        reverse("admin:index"),
        reverse("admin:auth_user_changelist"),
        reverse("admin:auth_user_add"),
        reverse("admin:password_change"),
        *(list_page(name) for name in LISTS),
        *(detail_page(row) for row in rows),
        page("promote", of.pk) + "?version=v1",
        page("roll_back", of.pk),
        page("timeline", of.pk),
        page("policy", of.pk),
        page("cancel", "training", running.pk),
        page("compare", latest.pk) + "?with=v2",
        page("export"),
    ]


@pytest.mark.parametrize("screen", SCREENS)
def test_no_page_complains_and_axe_finds_nothing_serious(desk, story, axe, screen):
    seat = desk(name="root", **SCREENS[screen])
    found = []
    for address in every_page(story):
        opened = seat.open(address)
        found += [f"{address}: {line}" for line in findings(opened, axe)]
        too_wide = opened.evaluate("document.documentElement.scrollWidth - innerWidth")
        if too_wide > 0:
            found.append(f"{address}: {too_wide} pixels wider than the screen")
    assert not found, "\n".join(found)


def test_the_login_page_is_accessible(desk, axe):
    seat = desk(logged_in=False)
    assert findings(seat.open(reverse("admin:login")), axe) == []


def test_pages_work_without_javascript(desk, story):
    seat = desk(name="root", java_script_enabled=False)
    opened = seat.open(list_page("audit_prediction"))
    opened.get_by_label("Task id").fill("7")
    opened.get_by_role("button", name="Apply").click()
    assert opened.get_by_role("row").count() == 3  # the head and two predictions
    opened = seat.open(reverse("admin:index"))
    assert opened.get_by_role("link", name="Support mail", exact=True).is_visible()
