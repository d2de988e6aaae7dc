"""Who may do what in the console: four groups, and the permissions they carry."""

from typing import Any, Final

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS

READ: Final = "read"
OPERATE: Final = "operate"
EXPORT: Final = "export"
PEOPLE: Final = "people"

ROLES: Final = {
    "viewer": (READ,),
    "operator": (READ, OPERATE, EXPORT),
    "auditor": (READ, EXPORT),
    "admin": (READ, OPERATE, EXPORT, PEOPLE),
}


def make_roles(sender: AppConfig, using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Make the groups that are missing; called after `manage.py migrate`.

    A group that is there already keeps what its owner made of it.
    """
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Group, Permission

    create_permissions(sender, verbosity=0, using=using)  # this room is asked first
    for name, codenames in ROLES.items():
        group, made = Group.objects.using(using).get_or_create(name=name)
        if made:
            group.permissions.set(
                Permission.objects.using(using).filter(
                    content_type__app_label="console", codename__in=codenames
                )
            )
