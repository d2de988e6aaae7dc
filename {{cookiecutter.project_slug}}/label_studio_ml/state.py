"""Where `self.set(key, value)` goes: a store of strings, handed to the model.

A service binds a store around the making of a model; without one (a notebook, a unit
test) state lives in this process, shared by all models of the same project.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Store(Protocol):
    """The key-value state of one project; keys and values are strings."""

    def get(self, key: str) -> str | None:
        """Return the value, or None where nothing was set."""

    def set(self, key: str, value: str) -> None:
        """Keep the value; every later `get`, in any process, returns it."""

    def has(self, key: str) -> bool:
        """Tell whether the key was set."""


class MemoryStore:
    """State that lives as long as the process (or the test) does."""

    def __init__(self, items: dict[str, str] | None = None) -> None:
        self.items: dict[str, str] = dict(items or {})

    def get(self, key: str) -> str | None:
        return self.items.get(key)

    def set(self, key: str, value: str) -> None:
        self.items[key] = value

    def has(self, key: str) -> bool:
        return key in self.items


@dataclass(frozen=True, slots=True)
class Binding:
    """What a model made inside `bound(...)` finds, whatever its `__init__` drops."""

    store: Store = field(default_factory=MemoryStore)
    project_id: str | None = None
    label_config: str | None = None


_binding: ContextVar[Binding | None] = ContextVar(
    "label_studio_ml_binding", default=None
)
_process_stores: dict[str, MemoryStore] = {}


@contextmanager
def bound(
    store: Store, *, project_id: str | None = None, label_config: str | None = None
) -> Iterator[Store]:
    """Give the models made inside the block this store.

    Args:
        store: State of the one project the models are for.
        project_id: Used where the model's `__init__` did not pass one on.
        label_config: Used where the model's `__init__` did not pass one on.
    """
    token = _binding.set(Binding(store, project_id, label_config))
    try:
        yield store
    finally:
        _binding.reset(token)


def current_binding() -> Binding | None:
    """Return what the surrounding `bound(...)` set, if there is one."""
    return _binding.get()


def process_store(project_id: str) -> MemoryStore:
    """Return this process' store for a project: the state outside a service."""
    return _process_stores.setdefault(project_id, MemoryStore())


def forget_process_stores() -> None:
    """Drop all state kept in this process (for tests)."""
    _process_stores.clear()


class Stateful:
    """The part of `LabelStudioMLBase` that has state: strings, one set per project."""

    _store: Store

    def get(self, key: str) -> str | None:
        """Return what was set, None where nothing was."""
        return self._store.get(key)

    def set(self, key: str, value: str) -> None:
        """Keep a string.

        Raises:
            ValueError: The value is no string.
        """
        if not isinstance(value, str):
            kind = type(value).__name__
            raise ValueError(f"Value must be a string, {key!r} got {kind}")  # noqa: TRY004 - as the reference
        self._store.set(key, value)

    def has(self, key: str) -> bool:
        """Tell whether the key was set."""
        return self._store.has(key)
