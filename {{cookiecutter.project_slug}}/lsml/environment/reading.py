"""Reads environment variables for the settings in `config/`."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import environ

_ENV_FILE: Final = Path(__file__).parents[2] / ".env"
_TRUE: Final = frozenset(environ.Env.BOOLEAN_TRUE_STRINGS)
_FALSE: Final = frozenset({"false", "off", "n", "no", "0", ""})


def read_env_file() -> None:
    """Add the variables of `.env`, or of the file ENV_FILE, that are not set yet."""
    environ.Env.read_env(os.environ.get("ENV_FILE", _ENV_FILE))


class Environment(environ.Env):
    """Uses the default if a value cannot be read, and records the variable.

    An exception would show the operator a traceback, and only for the first variable.
    The check lsml.E001 reports all of them, and no process starts while there are any.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: dict[str, str] = {}  # by variable: what it must be

    def get_value(
        self, var: str, cast: Any = None, default: Any = None, **more: Any
    ) -> Any:
        """Read a variable like django-environ, except for values it cannot read."""
        if cast is bool:
            text = self.ENVIRON.get(var, "").strip().lower()
            if text not in _TRUE | _FALSE:
                self.unreadable[var] = "true or false"
                return default
        try:
            return super().get_value(var, cast=cast, default=default, **more)
        except ValueError:
            self.unreadable[var] = "a whole number" if cast is int else "a number"
            return default

    def mail_server(self, var: str) -> dict[str, Any]:
        """Return Django's settings for the mail server that a variable names.

        Without one, mail is discarded.
        """
        url = self.str(var, default="")
        if not url:
            return {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
        try:
            found: dict[str, Any] = self.email_url_config(url)
        except (KeyError, ValueError, environ.ImproperlyConfigured):
            found = {}
        if not found.get("EMAIL_BACKEND"):
            self.unreadable[var] = "smtp+tls://user:password@host:587"
            return {}
        return found

    def one_of(self, var: str, choices: Collection[str], *, default: str) -> str:
        """Read a variable whose value must be one of these words."""
        value: str = self.str(var, default=default)
        if value not in choices:
            self.unreadable[var] = f"one of {', '.join(choices)}"
            return default
        return value
