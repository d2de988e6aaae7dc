"""A real Chromium that records every error of a page."""

import os
import shutil
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Error, sync_playwright

from tests.browser.axe import axe
from tests.console import factory
from tests.console.conftest import notifications
from tests.db.conftest import constant, serve

__all__ = ["axe", "constant", "notifications", "serve"]

# Playwright runs a loop in this thread, so Django would refuse the tests' queries.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="session")
def chromium():
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no Chromium here: install Debian's package chromium")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        except Error as error:
            pytest.skip(f"Chromium does not start: {error}")
        yield browser
        browser.close()


def _left(request):
    """Whether the request is a poll that ended because the window left its page."""
    is_poll = request.resource_type == "fetch" and "/progress/" in request.url
    return is_poll and request.failure == "net::ERR_ABORTED"


class Desk:
    """A browser window of one user."""

    def __init__(self, browser, live_server, user, **screen):
        self.address = live_server.url
        self.context = browser.new_context(
            base_url=live_server.url, timezone_id="Europe/Berlin", **screen
        )
        self.complaints = []
        if user is not None:
            client = Client()
            client.force_login(user)
            session = client.cookies["sessionid"].value
            self.context.add_cookies(
                [{"name": "sessionid", "value": session, "url": live_server.url}]
            )
        self.page = self.context.new_page()
        self._listen()

    def _listen(self):
        page, note = self.page, self.complaints.append
        page.on("console", lambda m: m.type in {"error", "warning"} and note(m.text))
        page.on("pageerror", lambda error: note(str(error)))
        page.on("requestfailed", lambda r: _left(r) or note(f"{r.url}: {r.failure}"))
        page.on("response", lambda r: r.status >= 400 and note(f"{r.status} {r.url}"))

    def open(self, path):
        self.page.goto(path)
        self.page.wait_for_load_state("networkidle")
        return self.page


@pytest.fixture
def story():
    return factory.story(predictions=240)


@pytest.fixture
def desk(chromium, live_server):
    """Open a window for a user: `desk("viewer")`. Recorded errors fail the test."""
    seats = []

    def seat(role=None, *, name=None, logged_in=True, **screen):
        user = factory.person(name or role or "root", role)
        seats.append(Desk(chromium, live_server, user if logged_in else None, **screen))
        return seats[-1]

    yield seat
    for each in seats:
        each.context.close()
    complaints = [complaint for each in seats for complaint in each.complaints]
    assert not complaints, "\n".join(complaints)
