"""Every page in a real browser: no error, no serious accessibility finding."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse

from lsml.audit.models import AuditEntry, AuditJob, Prediction, WebhookEvent
from lsml.console.admin.base import ReadOnlyAdmin
from lsml.console.pages import models_in_memory
from lsml.dataset.models import Annotation, Task
from lsml.registry.models import Promotion
from tests.browser.axe import findings
from tests.browser.loaded import LoadedModels
from tests.console import factory, job_states
from tests.console.addresses import detail_page, list_page, page
from tests.console.shapes import drawn_predictions
from tests.console.test_lists import LISTS

# Visible fields: unfold hides the name that it adds for password managers.
FIELDS = ":is(input:not([type=hidden], .hidden), select, textarea)"
# Texts of visible buttons and badges that take more than one line.
BROKEN_BUTTONS = """() => {
  const lines = (element) => {
    const range = document.createRange();
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    const tops = [];
    while (texts.nextNode()) {
      if (texts.currentNode.parentElement.closest(".sr-only")) continue;
      range.selectNodeContents(texts.currentNode);
      for (const box of range.getClientRects()) tops.push(box.top);
    }
    return Math.max(...tops) - Math.min(...tops) > 8 ? 2 : 1;
  };
  const found = document.querySelectorAll("button, [type=submit], .c-button, .c-badge");
  return [...found].filter((one) => one.checkVisibility() && lines(one) > 1)
    .map((one) => one.innerText);
}"""
SCREENS = {
    "wide-light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "narrow-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}


def every_page(story):
    of, latest, running = story["project"], story["latest"], story["running"]
    factory.answer_check(of, latest.version, checked=500, invalid=12)
    factory.error_group(of)
    factory.live_agreement(of, latest.version)
    job = AuditJob.objects.create(
        kind="verify", requested_by="ada", created_at=of.created_at, state="succeeded",
        report={"intact": True, "rows": 5, "seals": 1, "unsealed_rows": 0},
    )  # fmt: skip
    rows = [of, latest, running, story["runs"][0], job, factory.alarm(of)]
    rows += [
        job_states.job(kind, state, of)
        for kind in ("prediction", "evaluation", "audit")
        for state in ("running", "cancelled", "failed")
    ]
    held_back = factory.evaluation(
        latest, latest.parent, verdict="held back", promoted=False,
        reason="recall of Refund fell from 81 % to 62 % on 43 tasks",
    )  # fmt: skip
    rows += [held_back]
    models = (Prediction, WebhookEvent, AuditEntry, Task, Annotation, Promotion)
    rows += [model.objects.order_by("-pk").first() for model in models]
    drawn = drawn_predictions()
    rows += drawn
    return [
        reverse("admin:index"),
        reverse("admin:auth_user_changelist"),
        *form_pages(story),
        *(list_page(name) for name in LISTS),
        *(detail_page(row) for row in rows),
        page("timeline", of.pk),
        page("errors", of.pk),
        page("live_agreement", of.pk),
        page("models"),
        page("next", of.pk),
        page("next", of.pk) + "?strategy=disagreement",
        page("suspicious", of.pk),
        page("suspicious", drawn[0].project_pk),
        page("promote", of.pk) + "?version=v3",
        page("compare", latest.pk) + "?with=v2",
    ]


def form_pages(story):
    """Pages that hold a form for a person to fill in."""
    of, person = story["project"], User.objects.get(username="root")
    added = [
        reverse(f"admin:{row.opts.app_label}_{row.opts.model_name}_add")
        for row in admin.site._registry.values()
        if not isinstance(row, ReadOnlyAdmin)
    ]
    return [
        *added,
        detail_page(person),
        reverse("admin:auth_user_password_change", args=[person.pk]),
        reverse("admin:password_change"),
        page("promote", of.pk) + "?version=v1",
        page("shadow", story["latest"].pk),
        page("roll_back", of.pk),
        page("policy", of.pk),
        page("cancel", "training", story["running"].pk),
        page("export"),
    ]


@pytest.mark.parametrize("screen", SCREENS)
def test_no_page_complains_and_axe_finds_nothing_serious(
    desk, story, axe, screen, monkeypatch
):
    loaded = LoadedModels(story["project"])
    monkeypatch.setattr(models_in_memory, "models", lambda: loaded)
    seat = desk(name="root", **SCREENS[screen])
    found = []
    for address in every_page(story):
        opened = seat.open(address)
        found += [f"{address}: {line}" for line in findings(opened, axe)]
        too_wide = opened.evaluate("document.documentElement.scrollWidth - innerWidth")
        if too_wide > 0:
            found.append(f"{address}: {too_wide} pixels wider than the screen")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("screen", SCREENS)
def test_every_field_of_every_form_is_visible(desk, story, screen):
    seat = desk(name="root", **SCREENS[screen])
    unseen = []
    for address in form_pages(story):
        fields = seat.open(address).locator(f"#content {FIELDS}")
        assert fields.count(), f"{address} shows no field"
        unseen += [
            f"{address}: {field.get_attribute('name')}"
            for field in fields.all()
            if not field.is_visible()
        ]
    assert not unseen, "\n".join(unseen)


@pytest.mark.parametrize("width", [1440, 1280, 390])
def test_no_button_breaks_into_two_lines(desk, story, width):
    seat = desk(name="root", viewport={"width": width, "height": 900})
    broken = []
    for address in every_page(story):
        found = seat.open(address).evaluate(BROKEN_BUTTONS)
        broken += [f"{address}: {text}" for text in found]
    assert not broken, "\n".join(broken)


def test_the_login_page_is_accessible(desk, axe):
    seat = desk(logged_in=False)
    assert findings(seat.open(reverse("admin:login")), axe) == []


def test_pages_work_without_javascript(desk, story):
    seat = desk(name="root", java_script_enabled=False)
    opened = seat.open(list_page("audit_prediction"))
    opened.get_by_label("Task ID").fill("7")
    opened.get_by_role("button", name="Apply").click()
    assert opened.get_by_role("row").count() == 3  # the head and two predictions
    opened = seat.open(reverse("admin:index"))
    assert opened.get_by_role("link", name="Support mail", exact=True).is_visible()
