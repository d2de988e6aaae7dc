"""What the models of a class share in one process: the results of `load_shared`."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import LabelStudioMLBase


@dataclass(slots=True)
class _Slot:
    # Reentrant: a load_shared() that reads `shared` fails with a RecursionError. With
    # a plain lock it would hang.
    lock: threading.RLock = field(default_factory=threading.RLock)
    loaded: bool = False
    result: Any = None


_slots: dict[tuple[str, str], _Slot] = {}


def shared_by(model_class: type[LabelStudioMLBase]) -> Any:
    """Return the result of the class's `load_shared`. Only the first call loads it.

    Classes of the same module name and qualified name share one result, so that a
    legacy module that is executed again for each version does not load it again. Other
    threads wait while it is loaded.

    Raises:
        Exception: What `load_shared` raised. The next call tries again.
    """
    name = model_class.__module__, model_class.__qualname__
    slot = _slots.setdefault(name, _Slot())
    if not slot.loaded:
        with slot.lock:
            if not slot.loaded:
                slot.result = model_class.load_shared()
                slot.loaded = True
    return slot.result


def forget_shared() -> None:
    """Drop all results, so that they are loaded again (for tests and notebooks)."""
    _slots.clear()
