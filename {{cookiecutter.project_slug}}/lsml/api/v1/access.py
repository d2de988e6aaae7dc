"""Who may use /api/v1/: people with a role, by token or session."""

from typing import Any, ClassVar

from knox.auth import TokenAuthentication
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle

from lsml.access.roles import Permission, may

AUTHENTICATION = [TokenAuthentication, SessionAuthentication]
THROTTLES = [AnonRateThrottle, UserRateThrottle]


class _May(BasePermission):
    """Grants access to users whose role has a permission, and to superusers."""

    permission: ClassVar[Permission]

    def has_permission(self, request: Request, view: Any) -> bool:
        return may(request.user, self.permission)


class MayRead(_May):
    """Viewers, operators, auditors and admins."""

    permission = "read"
    message = "Your user has no role that may read this. Ask an administrator for one."


class MayOperate(_May):
    """Operators and admins."""

    permission = "operate"
    message = "Only operators may do this."


class MayExport(_May):
    """Operators, auditors and admins."""

    permission = "export"
    message = "Only auditors and operators may do this."
