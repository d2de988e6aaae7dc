"""The console's permissions."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Desk(models.Model):
    """No table: carries the permissions that the groups of roles.py give."""

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
        return "desk"
