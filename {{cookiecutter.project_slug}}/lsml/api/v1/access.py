"""Who may use /api/v1/: people with a role, by token or session."""

from typing import Any, ClassVar

from knox.auth import TokenAuthentication
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import (
    AnonRateThrottle,
    BaseThrottle,
    ScopedRateThrottle,
    UserRateThrottle,
)

from lsml.access.roles import Permission, may
from lsml.observability.requests import address_of


class RefusingTokenAuthentication(TokenAuthentication):
    """Refuses a token that is not even text; knox would raise an error."""

    def authenticate_credentials(self, token: bytes) -> Any:
        try:
            return super().authenticate_credentials(token)
        except UnicodeDecodeError:
            raise AuthenticationFailed("Invalid token.") from None


AUTHENTICATION = [RefusingTokenAuthentication, SessionAuthentication]


class _ByAddress(BaseThrottle):
    """Counts clients by address.

    REST framework counts them by X-Forwarded-For, which a client may invent.
    """

    def get_ident(self, request: Request) -> str:
        return address_of(request)


class _AnonymousRate(_ByAddress, AnonRateThrottle):
    pass


class _UserRate(_ByAddress, UserRateThrottle):
    pass


class LoginRate(_ByAddress, ScopedRateThrottle):
    """Limits attempts to log in."""


THROTTLES = [_AnonymousRate, _UserRate]


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
