"""Error pages in a real browser: readable, dark and narrow, with a way back."""

import os
from pathlib import Path

import pytest
from django.urls import reverse

from tests.browser.axe import findings
from tests.console.addresses import page
from tests.console.test_error_pages import fails

FOLDER = os.environ.get("SCREENSHOTS", "")
SCREENS = {
    f"{name}-{scheme}": {"viewport": size, "color_scheme": scheme}
    for name, size in {
        "wide": {"width": 1440, "height": 900},
        "narrow": {"width": 390, "height": 844},
    }.items()
    for scheme in ("light", "dark")
}


def open_expecting(seat, address, status):
    """Open a page; ignore the browser's own message about its status."""
    shown = seat.open(address)
    seat.complaints[:] = [one for one in seat.complaints if str(status) not in one]
    return shown


@pytest.mark.parametrize("screen", SCREENS)
def test_every_error_page_is_readable_and_leads_home(
    desk, story, axe, screen, monkeypatch
):
    seat = desk("viewer", **SCREENS[screen])
    pages = {
        404: "/admin/nothing/",
        403: page("policy", story["project"].pk),
        500: page("timeline", story["project"].pk),
    }
    monkeypatch.setattr("lsml.console.pages.timeline.page", fails)
    found = []
    for status, address in pages.items():
        shown = open_expecting(seat, address, status)
        found += [f"{status}: {line}" for line in findings(shown, axe)]
        too_wide = shown.evaluate("document.documentElement.scrollWidth - innerWidth")
        found += [f"{status}: {too_wide} pixels too wide"] if too_wide > 0 else []
        dark = shown.evaluate("document.documentElement.classList.contains('dark')")
        assert dark == screen.endswith("dark")
        if FOLDER:
            Path(FOLDER).mkdir(parents=True, exist_ok=True)
            shown.screenshot(path=Path(FOLDER) / f"error-{status}-{screen}.png")
        shown.get_by_role("link", name="Home").click()
        shown.wait_for_url(f"**{reverse('admin:index')}")
        shown.wait_for_load_state("networkidle")
    assert not found, "\n".join(found)
