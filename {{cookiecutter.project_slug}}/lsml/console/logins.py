"""Records logins, logouts and refused logins in the audit log."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)
from django.http import HttpRequest
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.observability.origin import Origin


def connect() -> None:
    """Connect the handlers to Django's signals; called once at start."""
    user_logged_in.connect(_logged_in, dispatch_uid="console-login")
    user_logged_out.connect(_logged_out, dispatch_uid="console-logout")
    user_login_failed.connect(_refused, dispatch_uid="console-refused")


def _logged_in(request: HttpRequest, user: AbstractBaseUser, **_: Any) -> None:
    _record(request, actor=user.get_username(), verb=AuditEntry.Verb.LOGGED_IN)


def _logged_out(request: HttpRequest, user: AbstractBaseUser | None, **_: Any) -> None:
    if user is not None:
        _record(request, actor=user.get_username(), verb=AuditEntry.Verb.LOGGED_OUT)


def _refused(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    name = str(credentials.get(get_user_model().USERNAME_FIELD, ""))[:150]
    if request is not None:
        _record(request, actor=name or "nobody", verb=AuditEntry.Verb.LOGIN_REFUSED)


def _record(request: HttpRequest, *, actor: str, verb: AuditEntry.Verb) -> None:
    record_entry(
        origin=Origin.from_request(request, name=actor),
        at=timezone.now(),
        actor=actor,
        verb=verb,
        target=f"user {actor}",
    )
