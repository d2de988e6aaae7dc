"""Users and their roles."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from knox.models import AuthToken

from lsml.audit.models import AuditEntry
from tests.console import factory
from tests.console.addresses import detail_page

pytestmark = pytest.mark.django_db


def test_an_admin_assigns_roles_and_this_is_recorded(client):
    client.force_login(factory.person("ada", "admin"))
    vera = factory.person("vera", "viewer")
    operator = Group.objects.get(name="operator")
    form = {"username": "vera", "is_active": "on", "is_staff": "on"}
    client.post(detail_page(vera), form | {"groups": [operator.pk]})
    assert list(vera.groups.values_list("name", flat=True)) == ["operator"]
    entry = AuditEntry.objects.get(verb="user changed")
    assert (entry.actor, entry.detail["roles"]) == ("ada", ["operator"])


def test_an_admin_can_neither_create_nor_take_over_a_superuser(client):
    client.force_login(factory.person("ada", "admin"))
    root, vera = factory.person("root"), factory.person("vera", "viewer")
    form = {"username": "vera", "is_active": "on", "is_superuser": "on"}
    client.post(detail_page(vera), form)
    vera.refresh_from_db()
    assert not vera.is_superuser
    taken = client.post(
        reverse("admin:auth_user_password_change", args=[root.pk]),
        {"password1": "another-Password-1", "password2": "another-Password-1"},
    )
    assert taken.status_code == 403
    assert client.post(detail_page(root), form).status_code == 403


def test_a_viewer_cannot_list_users(viewer):
    assert viewer.get(reverse("admin:auth_user_changelist")).status_code == 403


def test_a_page_is_shown_although_the_address_names_no_field(client):
    client.force_login(factory.person("ada", "admin"))
    vera = factory.person("vera", "viewer")
    assert client.get(detail_page(vera), {"_to_field": ""}).status_code == 200


def test_a_disabled_password_revokes_the_tokens(client):
    client.force_login(factory.person("root"))
    vera = factory.person("vera", "operator")
    AuthToken.objects.create(vera)
    address = reverse("admin:auth_user_password_change", args=[vera.pk])
    client.post(address, {"usable_password": "false", "unset-password": "1"})
    vera.refresh_from_db()
    assert not vera.has_usable_password()
    assert not AuthToken.objects.exists()
