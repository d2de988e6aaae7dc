"""Commits together what concurrent requests write.

A commit costs PostgreSQL more than a row. Nothing waits on purpose: the first thread
writes at once, and those that arrive meanwhile are written by one of them, together.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError, connection

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Entry(Generic[Item, Result]):
    """An item, the thread that waits for it, and what became of it."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Result | None = None
        self.error: Exception | None = None
        self.settled = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def wait(self) -> None:
        """Wait for `wake`."""
        self._gate.acquire()

    def wake(self) -> None:
        """Let the thread go on: its item is settled, or its thread is to write."""
        self._gate.release()


class GroupCommit(Generic[Item, Result]):
    """Writes the items of this process's threads, several with one statement.

    Args:
        write: Writes items, commits, and returns one result for each. It uses the
            thread's connection of Django.
        most: Items of one statement.
    """

    def __init__(
        self, write: Callable[[list[Item]], list[Result]], *, most: int
    ) -> None:
        self._write = write
        self._most = most
        self._waiting: deque[_Entry[Item, Result]] = deque()
        self._is_writing = False
        self._lock = threading.Lock()

    def write(self, item: Item) -> Result:
        """Write one item, and return its result once it is committed.

        Inside a transaction it is written there, alone.

        Raises:
            OperationalError, InterfaceError: The database did not confirm the commit.
            DatabaseError: It refused this item.
        """
        if connection.in_atomic_block:
            return self._write([item])[0]
        entry: _Entry[Item, Result] = _Entry(item)
        with self._lock:
            self._waiting.append(entry)
            leads = not self._is_writing
            self._is_writing = True
        if not leads:
            entry.wait()
        if not entry.settled:
            self._write_waiting()
        if entry.error is not None:
            raise entry.error
        return entry.result  # type: ignore[return-value]  # set with `settled`

    def _write_waiting(self) -> None:
        """Write what waits, this thread's item first, and hand on to another thread."""
        with self._lock:
            count = min(self._most, len(self._waiting))
            group = [self._waiting.popleft() for _ in range(count)]
        try:
            self._settle(group)
        finally:  # whatever happens, nobody waits for ever
            for entry in group:
                if not entry.settled:
                    entry.settled = True
                    entry.error = OperationalError("The thread that wrote it ended.")
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._is_writing = following is not None
            for entry in group[1:]:
                entry.wake()
            if following:
                following.wake()

    def _settle(self, group: list[_Entry[Item, Result]]) -> None:
        """Write a group, and settle each entry with its result or an error."""
        try:
            results = self._write([entry.item for entry in group])
        except (OperationalError, InterfaceError) as error:
            for entry in group:  # raised in several threads, so each gets its own
                entry.error = type(error)(*error.args)
                entry.error.__cause__ = error
        except Exception as error:  # noqa: BLE001 - raised again by the entry's thread
            self._settle_alone(group, error)
        else:
            for entry, result in zip(group, results, strict=True):
                entry.result = result
        for entry in group:
            entry.settled = True

    def _settle_alone(
        self, group: list[_Entry[Item, Result]], error: Exception
    ) -> None:
        """Write each entry of a refused group alone: one must not fail the others."""
        if len(group) == 1:
            group[0].error = error
        else:
            for entry in group:
                self._settle([entry])
