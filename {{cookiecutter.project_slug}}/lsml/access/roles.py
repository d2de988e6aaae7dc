"""The roles of users, and the permissions each role carries."""

from typing import Any, Final, Literal, Protocol

from django.db import DEFAULT_DB_ALIAS

# The codenames of ServiceAccess; the type checker finds a misspelt one.
Permission = Literal["read", "operate", "export", "people"]

ROLES: Final[dict[str, tuple[Permission, ...]]] = {
    "viewer": ("read",),
    "operator": ("read", "operate", "export"),
    "auditor": ("read", "export"),
    "admin": ("read", "operate", "export", "people"),
}


class _User(Protocol):
    def has_perm(self, perm: str, /) -> bool: ...


def may(user: _User | None, permission: Permission) -> bool:
    """Return whether a user has a permission; a superuser has all of them.

    Args:
        user: Of the request; None if nobody is logged in.
        permission: That the action needs.
    """
    return user is not None and user.has_perm(f"access.{permission}")


def create_roles(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Create the groups that are missing; called after `manage.py migrate`.

    An existing group keeps its permissions, which an administrator may have changed.
    """
    from django.contrib.auth import models as auth  # needs the apps to be loaded

    for name, codenames in ROLES.items():
        group, created = auth.Group.objects.using(using).get_or_create(name=name)
        if created:
            group.permissions.set(
                auth.Permission.objects.using(using).filter(
                    content_type__app_label="access", codename__in=codenames
                )
            )
