"""Reads variables for `config/settings.py`."""

from collections.abc import Collection
from typing import Any, Final

import environ

_TRUE: Final = frozenset(environ.Env.BOOLEAN_TRUE_STRINGS)
_FALSE: Final = frozenset({"false", "off", "n", "no", "0", ""})


class Environment(environ.Env):
    """Takes the default where a value cannot be read, and notes that.

    An exception here would reach the operator as a traceback, for one variable at a
    time. The check lsml.E001 reports all that was noted, and no process serves with it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: dict[str, str] = {}  # variable: what it should have been

    def get_value(
        self, var: str, cast: Any = None, default: Any = None, **more: Any
    ) -> Any:
        """Read a variable as django-environ does; see the class for what differs."""
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

    def one_of(self, var: str, choices: Collection[str], *, default: str) -> str:
        """Read a variable that has one of some words as its value."""
        value: str = self.str(var, default=default)
        if value not in choices:
            self.unreadable[var] = f"one of {', '.join(choices)}"
            return default
        return value
