"""The state of models: the store behind `self.get(key)` and `self.set(key, value)`.

A service binds a store while it creates a model. Without one, as in a notebook or a
unit test, the state is kept in this process and shared by all models of a project.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Store(Protocol):
    """The key-value state of one project. Keys and values are strings."""

    def get(self, key: str) -> str | None:
        """Return the value, or None if the key was never set."""

    def set(self, key: str, value: str) -> None:
        """Store the value. Every later `get`, in any process, returns it."""

    def has(self, key: str) -> bool:
        """Return whether the key was set."""


class MemoryStore:
    """State that is lost when the process (or the test) ends."""

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
    """The arguments of `bound(...)`, used even if a model's `__init__` drops them."""

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
    """Give this store to the models that are created inside the block.

    Args:
        store: State of the models' project.
        project_id: Used if the model's `__init__` does not pass one on.
        label_config: Used if the model's `__init__` does not pass one on.
    """
    token = _binding.set(Binding(store, project_id, label_config))
    try:
        yield store
    finally:
        _binding.reset(token)


def current_binding() -> Binding | None:
    """Return the binding of the surrounding `bound(...)` block, if there is one."""
    return _binding.get()


def process_store(project_id: str) -> MemoryStore:
    """Return this process's store for a project: the state outside a service."""
    return _process_stores.setdefault(project_id, MemoryStore())


def forget_process_stores() -> None:
    """Drop all state kept in this process (for tests)."""
    _process_stores.clear()


class Stateful:
    """The part of `LabelStudioMLBase` that keeps the project's state as strings."""

    _store: Store

    def get(self, key: str) -> str | None:
        """Return the value, or None if the key was never set."""
        return self._store.get(key)

    def set(self, key: str, value: str) -> None:
        """Store a string.

        Raises:
            ValueError: The value is not a string.
        """
        if not isinstance(value, str):
            kind = type(value).__name__
            raise ValueError(f"Value must be a string, but {key!r} got {kind}.")  # noqa: TRY004 - as the reference
        self._store.set(key, value)

    def has(self, key: str) -> bool:
        """Return whether the key was set."""
        return self._store.has(key)
