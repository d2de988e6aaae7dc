"""Who may use /api/v1/: people with a role, by token or session."""

from typing import Any

from knox.auth import TokenAuthentication
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle

from lsml.access.roles import may

AUTHENTICATION = [TokenAuthentication, SessionAuthentication]
THROTTLES = [AnonRateThrottle, UserRateThrottle]


class MayRead(BasePermission):
    """Viewers, operators, auditors and admins; a superuser anyhow."""

    message = "Your user belongs to none of the groups that may read this."

    def has_permission(self, request: Request, view: Any) -> bool:
        return may(request.user, "read")


class MayOperate(BasePermission):
    """Operators and admins."""

    message = "Only operators may do this."

    def has_permission(self, request: Request, view: Any) -> bool:
        return may(request.user, "operate")


def demand_export(request: Request) -> None:
    """Raise PermissionDenied unless this person may take whole tables along."""
    if not may(request.user, "export"):
        raise PermissionDenied("Only auditors and operators may export.")
