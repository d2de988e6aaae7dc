"""Logins are recorded, and wrong passwords are limited."""

import pytest
from django.urls import reverse

from lsml.audit.models import AuditEntry
from tests.console import factory

pytestmark = pytest.mark.django_db


def test_a_refused_login_and_a_login_are_recorded(client):
    factory.person("vera", "viewer")
    for password in ("wrong", "test-password"):
        client.post(reverse("admin:login"), {"username": "vera", "password": password})
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True)) == [
        "login refused",
        "logged in",
    ]


def test_after_five_wrong_passwords_even_the_right_one_is_refused(client):
    factory.person("vera", "viewer")
    login = reverse("admin:login")
    wrong = {"username": "vera", "password": "wrong"}
    assert [client.post(login, wrong).status_code for _ in range(5)][-1] == 429
    right = client.post(login, wrong | {"password": "test-password"})
    assert right.status_code == 429
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("page", ["login", "logout"])
@pytest.mark.parametrize("in_query", [True, False], ids=["query", "form"])
@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example"])
def test_a_refused_next_address_leads_to_a_page_that_exists(
    client, page, in_query, address
):
    vera = factory.person("vera", "viewer")
    if page == "logout":
        client.force_login(vera)
    sent = {"username": "vera", "password": "test-password"}
    url = reverse(f"admin:{page}")
    if in_query:
        url += f"?next={address}"
    else:
        sent["next"] = address
    answer = client.post(url, sent, follow=True)
    assert answer.status_code == 200
    assert all(path.startswith("/admin/") for path, _ in answer.redirect_chain)
