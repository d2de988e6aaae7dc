"""`self.task_cache`: results per task, such as image embeddings, kept between calls.

All models of a process share one limit, TASK_CACHE_MB.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import weakref
from collections import OrderedDict, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

Value = TypeVar("Value")
_Key = tuple[int, "Hashable"]  # number of the view, the model's key

# What an entry takes besides its value: key, tuples and links (measured: 281 bytes).
# Without it, the number of entries with tiny values would have no limit.
ENTRY_BYTES = 300

_MISSING = object()
_views = itertools.count()


@dataclass(frozen=True, slots=True)
class TaskCacheFigures:
    """Figures of the process's cache, of all models together.

    Attributes:
        max_bytes: The limit, from TASK_CACHE_MB.
        total_bytes: Size of all entries; never above `max_bytes`.
        entries: Number of values in the cache.
        hits: Reads that found a value, or waited for another thread to compute it.
        misses: Reads that found none.
    """

    max_bytes: int
    total_bytes: int
    entries: int
    hits: int
    misses: int


class ProcessCache:
    """Values by key up to a number of bytes. The least recently used leave first.

    It is safe to use from several threads.
    """

    def __init__(self, max_bytes: int) -> None:
        """Create an empty cache that holds at most `max_bytes`."""
        self.max_bytes = max_bytes
        self._entries: OrderedDict[_Key, tuple[Any, int]] = OrderedDict()
        self._running: dict[_Key, _Computation] = {}
        self._total = self._hits = self._misses = 0
        self._lock = threading.Lock()
        self._closed_views: deque[int] = deque()

    def figures(self) -> TaskCacheFigures:
        """Return size, number of entries, hits and misses."""
        with self._locked():
            return TaskCacheFigures(
                max_bytes=self.max_bytes,
                total_bytes=self._total,
                entries=len(self._entries),
                hits=self._hits,
                misses=self._misses,
            )

    def read(self, key: _Key, default: Any) -> Any:
        """Return a value and mark it as used now, or return `default`."""
        with self._locked():
            value = self._use(key)
            self._count(hit=value is not _MISSING)
        return default if value is _MISSING else value

    def holds(self, key: _Key) -> bool:
        """Return whether there is a value. It is not marked as used."""
        with self._locked():
            return key in self._entries

    def keep(self, key: _Key, value: Any) -> None:
        """Keep a value in place of the previous one, unless it exceeds the limit."""
        size = size_of(value) + ENTRY_BYTES
        with self._locked() as removed:
            self._remove(key, removed)
            if size <= self.max_bytes:
                while self._total + size > self.max_bytes:
                    self._remove(next(iter(self._entries)), removed)
                self._entries[key] = value, size
                self._total += size

    def remove(self, key: _Key) -> None:
        """Remove a value if it is there."""
        with self._locked() as removed:
            self._remove(key, removed)

    def compute(self, key: _Key, compute: Callable[[], Value]) -> Value:
        """Return a value, computing it if it is missing, in one thread at a time.

        Raises:
            Exception: What `compute` raised. Threads that waited then try themselves.
            RuntimeError: `compute` itself reads this key.
        """
        while True:
            with self._locked():
                value: Value = self._use(key)
                if value is not _MISSING:
                    self._count(hit=True)
                    return value
                running = self._running.get(key)
                if running is None:
                    mine = self._running[key] = _Computation()
                    self._count(hit=False)
                    break
            if running.wait():
                with self._locked():
                    self._count(hit=True)
                return running.value  # type: ignore[no-any-return]
        try:
            mine.value = value = compute()
            self.keep(key, value)
            return value
        finally:
            with self._locked():
                del self._running[key]
            mine.ended.set()

    def close_view(self, view: int) -> None:
        """Remove all values of a view. Safe to call from the garbage collector.

        The collector may run while this thread holds the lock, so this never waits for
        it: if the lock is taken, its holder removes the values after releasing it.
        """
        self._closed_views.append(view)
        self._remove_closed()

    def _remove_closed(self) -> None:
        while self._closed_views and self._lock.acquire(blocking=False):
            removed: list[Any] = []
            try:
                closed = set()
                while self._closed_views:  # only the lock's holder takes from it
                    closed.add(self._closed_views.popleft())
                for key in [key for key in self._entries if key[0] in closed]:
                    self._remove(key, removed)
            finally:
                self._lock.release()

    @contextmanager
    def _locked(self) -> Iterator[list[Any]]:
        # Removed values go into the list: their destructors, which may use the cache,
        # must not run while the lock is held.
        removed: list[Any] = []
        with self._lock:
            yield removed
        self._remove_closed()

    def _use(self, key: _Key) -> Any:
        value, _ = self._entries.get(key, (_MISSING, 0))
        if value is not _MISSING:
            self._entries.move_to_end(key)
        return value

    def _remove(self, key: _Key, removed: list[Any]) -> None:
        value, size = self._entries.pop(key, (None, 0))
        self._total -= size
        removed.append(value)

    def _count(self, *, hit: bool) -> None:
        self._hits += hit
        self._misses += not hit


@dataclass(slots=True)
class _Computation:
    """A value that one thread computes while others wait for it."""

    thread: int = field(default_factory=threading.get_ident)
    ended: threading.Event = field(default_factory=threading.Event)
    value: Any = _MISSING

    def wait(self) -> bool:
        """Wait for the end and return whether there is a value."""
        if self.thread == threading.get_ident():
            raise RuntimeError(
                "compute() reads the task_cache key that it computes: return the "
                "value, or use another key for what it is made of."
            )
        self.ended.wait()
        return self.value is not _MISSING


_creation = threading.Lock()
_process_cache: ProcessCache | None = None


class TaskCache:
    """One model's part of the process's cache. Its values go when the model goes.

    Keys are any hashable values, usually the task's id. Values are measured when they
    are stored: `nbytes` of arrays and tensors, the sum of the items of tuples, lists,
    sets and dicts, and the size that `sys.getsizeof` returns for everything else. A
    value larger than the whole cache is not kept.
    """

    def __init__(self, process_cache: ProcessCache | None = None) -> None:
        """Create an empty view of `process_cache`, by default this process's."""
        self._cache = process_cache or cache_of_process()
        self._view = next(_views)
        closing = weakref.finalize(self, self._cache.close_view, self._view)
        closing.atexit = False

    def __reduce__(self) -> tuple[type[TaskCache], tuple[()]]:
        # A copied or unpickled model starts with an empty cache.
        return TaskCache, ()

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return the value of a key, or `default`."""
        return self._cache.read((self._view, key), default)

    def __setitem__(self, key: Hashable, value: Any) -> None:
        self._cache.keep((self._view, key), value)

    def __contains__(self, key: Hashable) -> bool:
        return self._cache.holds((self._view, key))

    def discard(self, key: Hashable) -> None:
        """Remove the value of a key if it is there."""
        self._cache.remove((self._view, key))

    def get_or_compute(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of a key; if it is missing, compute and keep it.

        Other threads that need the same key wait for the result, even if it is too
        large to be kept.

        Raises:
            Exception: What `compute` raised. A thread that waited then tries itself.
        """
        return self._cache.compute((self._view, key), compute)


def size_of(value: Any) -> int:
    """Return the bytes that a value takes. An object that occurs twice counts once."""
    total = 0
    seen: set[int] = set()
    remaining = [value]
    while remaining:
        item = remaining.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        nbytes = getattr(item, "nbytes", None)
        total += nbytes if isinstance(nbytes, int) else sys.getsizeof(item)
        if isinstance(item, dict):
            remaining += [*item.keys(), *item.values()]
        elif isinstance(item, tuple | list | set | frozenset):
            remaining += item
    return total


def cache_of_process() -> ProcessCache:
    """Return the process's cache, with TASK_CACHE_MB (default 512) as its limit."""
    global _process_cache  # noqa: PLW0603 - one limit for all models of a process
    with _creation:
        if _process_cache is None:
            max_mb = float(os.environ.get("TASK_CACHE_MB") or 512)
            _process_cache = ProcessCache(int(max_mb * 1024**2))
        return _process_cache


def task_cache_figures() -> TaskCacheFigures:
    """Return the figures of the process's cache."""
    return cache_of_process().figures()
