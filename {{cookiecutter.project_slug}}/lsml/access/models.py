"""The permissions of users, in the admin and in the REST API."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ServiceAccess(models.Model):
    """Holds the permissions that roles.py assigns. Has no table."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("read", _("Can read everything")),
            ("operate", _("Can train, promote, roll back, cancel")),
            ("export", _("Can export")),
            ("people", _("Can manage users")),
        ]

    def __str__(self) -> str:
        return "service access"
