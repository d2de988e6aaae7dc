"""Roles and permissions after `manage.py migrate`."""

from typing import get_args

import pytest
from django.contrib.auth.models import Group, Permission, User

from lsml.access import roles

pytestmark = pytest.mark.django_db


def codenames(group):
    return set(group.permissions.values_list("codename", flat=True))


def test_migrating_creates_a_group_for_each_role():
    groups = {group.name: codenames(group) for group in Group.objects.all()}
    assert groups == {name: set(names) for name, names in roles.ROLES.items()}


def test_every_permission_has_a_row_of_the_app_access():
    rows = Permission.objects.filter(content_type__app_label="access")
    assert {row.codename for row in rows} == set(get_args(roles.Permission))


def test_a_group_keeps_the_permissions_its_owner_gave_it():
    group = Group.objects.get(name="viewer")
    group.permissions.clear()
    roles.create_roles()
    assert codenames(group) == set()


def test_a_member_may_do_what_the_role_allows_and_nothing_else():
    user = User.objects.create_user("otto")
    user.groups.add(Group.objects.get(name="auditor"))
    allowed = {name for name in get_args(roles.Permission) if roles.may(user, name)}
    assert allowed == {"read", "export"}


def test_without_a_login_nothing_is_allowed():
    assert not roles.may(None, "read")
