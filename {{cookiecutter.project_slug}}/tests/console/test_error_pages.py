"""Styled pages for the errors 400, 403, 404, 429 and 500."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from tests.console import factory
from tests.console.addresses import page

pytestmark = pytest.mark.django_db
BROWSER = {"HTTP_ACCEPT": "text/html,application/xhtml+xml,*/*;q=0.8"}


def fails(request, *others):
    raise ValueError("a bug")


def assert_is_a_styled_page(reply, status, title):
    text = reply.text
    assert reply.status_code == status
    assert reply["Content-Type"].startswith("text/html")
    assert f"<h1>{title}</h1>" in text
    assert "console/console.css" in text
    assert reply["X-Request-ID"] in text
    assert f'href="{reverse("admin:index")}"' in text
    assert "default-src 'self'" in reply["Content-Security-Policy"]
    # What the content security policy forbids.
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", text)


def test_a_missing_page_is_a_styled_404(viewer):
    assert_is_a_styled_page(viewer.get("/admin/nothing/"), 404, "Page not found")


def test_an_unknown_project_is_a_styled_404(viewer):
    reply = viewer.get(page("timeline", 12345))
    assert_is_a_styled_page(reply, 404, "Page not found")


def test_a_page_that_this_role_may_not_open_is_a_styled_403(viewer):
    story = factory.story(predictions=1)
    reply = viewer.get(page("policy", story["project"].pk))
    assert_is_a_styled_page(reply, 403, "Not allowed")


def test_a_page_that_fails_is_a_styled_500_made_without_the_database(
    viewer, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr("lsml.console.pages.home.home_context", fails)
    viewer.raise_request_exception = False
    with django_assert_num_queries(2):  # of the view: session and user
        reply = viewer.get(reverse("admin:index"))
    assert_is_a_styled_page(reply, 500, "Something went wrong")
    assert "a bug" not in reply.text


def test_a_form_without_its_token_is_a_styled_403():
    strict = Client(enforce_csrf_checks=True)
    reply = strict.post(reverse("admin:login"), {"username": "a", "password": "b"})
    assert_is_a_styled_page(reply, 403, "Form expired")


def test_too_many_wrong_passwords_are_a_styled_429(client):
    wrong = {"username": "vera", "password": "wrong"}
    for _ in range(5):
        reply = client.post(reverse("admin:login"), wrong)
    assert_is_a_styled_page(reply, 429, "Too many wrong passwords")


def test_a_host_that_is_not_allowed_is_a_styled_400_in_the_admin(client):
    reply = client.get(reverse("admin:index"), HTTP_HOST="elsewhere.example")
    assert_is_a_styled_page(reply, 400, "Request refused")


def test_a_browser_outside_the_api_gets_the_styled_page(client):
    for address in ("/admin", "/accounts/profile/"):
        reply = client.get(address, **BROWSER)
        assert_is_a_styled_page(reply, 404, "Page not found")


def test_a_program_and_every_path_of_the_api_get_json(client, monkeypatch):
    replies = [
        client.get("/accounts/profile/"),
        client.get("/api/v1/nothing", **BROWSER),
        client.get("/predict", HTTP_HOST="elsewhere.example", **BROWSER),
    ]
    for reply in replies:
        assert set(reply.json()) == {"detail", "code", "field", "request_id"}
    assert [reply.status_code for reply in replies] == [404, 404, 400]


def log_in(client, **query):
    factory.person("vera", "viewer")
    person = {"username": "vera", "password": "test-password"}
    return client.post(reverse("admin:login", query=query), person)


def test_a_login_without_a_next_page_ends_at_home(client):
    assert log_in(client).headers["Location"] == reverse("admin:index")


def test_a_login_ends_on_the_page_that_required_it(client):
    wanted = reverse("admin:registry_project_changelist")
    assert log_in(client, next=wanted).headers["Location"] == wanted


@pytest.mark.parametrize("foreign", ["https://evil.example/", "//evil.example/"])
def test_a_login_never_ends_on_a_foreign_page(client, foreign):
    reply = log_in(client, next=foreign)
    assert reply.headers["Location"] == reverse("admin:index")
