"""Authenticates callers of Label Studio's endpoints: basic auth or a webhook token."""

import base64
import hashlib
import hmac
import math
import time
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.observability import metrics
from lsml.observability.origin import Origin
from lsml.observability.requests import address_of

_MINUTE_S: Final = 60
_CHALLENGE: Final = 'Basic realm="ML backend"'
_REFUSED: Final = (
    "Wrong or missing credentials. Give Label Studio the BASIC_AUTH_USER and"
    " BASIC_AUTH_PASS of this service. Label Studio's webhook sends no credentials"
    " until `manage.py connect` adds them."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated program. Its `name` appears in audit rows."""

    name: str
    is_authenticated: bool = True

    def get_username(self) -> str:
        """Return the name, as Django's users do."""
        return self.name


class LabelStudioAuthentication(BaseAuthentication):
    """Accepts basic auth with any configured credentials, or a token for webhooks.

    Several credentials are valid at once (BASIC_AUTH_USER/PASS and BASIC_AUTH_EXTRA),
    so that one can be replaced without an outage. If none are configured, everyone may
    call, as with the reference SDK.
    """

    def authenticate(self, request: HttpRequest) -> tuple[Caller, None]:
        known = settings.BASIC_AUTH_CREDENTIALS
        tokens = settings.WEBHOOK_TOKENS
        if not known and not tokens:
            return Caller("anonymous"), None
        token = request.META.get("HTTP_X_WEBHOOK_TOKEN", "")
        if token and sum(_same(token, valid) for valid in tokens):
            return Caller("webhook token"), None
        user, password = _basic(request.META.get("HTTP_AUTHORIZATION", ""))
        guesses = Guesses(address_of(request), user)
        guesses.refuse_if_too_many()
        # Every pair is compared in constant time, so the delay reveals neither whether
        # a user exists nor how much of a password was right.
        matches = [
            _same(user, name) & _same(password, secret) for name, secret in known
        ]
        if not any(matches):
            metrics.refused_credentials.inc()
            guesses.count()
            _record_refusal(request, user if user in dict(known) else "somebody")
            raise AuthenticationFailed(_REFUSED)
        return Caller(user), None

    def authenticate_header(self, request: HttpRequest) -> str:
        return _CHALLENGE


class Guesses:
    """Counts wrong passwords by client and user name, per minute and process.

    Missing credentials do not count: Label Studio's own webhook sends none, from the
    same address as its other calls.
    """

    _made_at = -math.inf  # monotonic time of the last wrong guess of anyone

    def __init__(self, address: str, user: str) -> None:
        self.key = f"guesses:{address}:{hashlib.sha256(user.encode()).hexdigest()}"
        self.counts = bool(user)

    def refuse_if_too_many(self) -> None:
        """Refuse further guesses in this minute if there were too many.

        Raises:
            Throttled: WRONG_CREDENTIALS_PER_MINUTE is reached.
        """
        if not self.counts or time.monotonic() > Guesses._made_at + _MINUTE_S:
            return
        made = cache.get(self.key, 0)
        if made >= settings.WRONG_CREDENTIALS_PER_MINUTE:
            raise Throttled(
                wait=_MINUTE_S,
                detail="Too many wrong passwords from this address. Wait a minute.",
            )

    def count(self) -> None:
        """Count one wrong guess."""
        if self.counts:
            Guesses._made_at = time.monotonic()
            cache.add(self.key, 0, timeout=_MINUTE_S)
            cache.incr(self.key)


def _record_refusal(request: HttpRequest, name: str) -> None:
    """Record one row per minute, address and name, so guesses cannot flood the log."""
    address = address_of(request)
    if cache.add(f"refused:{address}:{name}", 1, timeout=_MINUTE_S):
        record_entry(
            origin=Origin.from_request(request, name=name),
            at=timezone.now(),
            actor=name,
            verb=AuditEntry.Verb.CREDENTIALS_REFUSED,
            target=request.path[:200],
        )


def _same(given: str, valid: str) -> bool:
    return hmac.compare_digest(given.encode(), valid.encode())


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        pair = base64.b64decode(encoded, validate=True)
    except ValueError:  # not base64, or not even ASCII
        return "", ""
    user, _, password = _text(pair).partition(":")
    return user, password


def _text(raw: bytes) -> str:
    """Decode UTF-8, as curl sends it, or Latin-1, as Label Studio's ML client does."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
