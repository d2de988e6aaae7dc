"""Commits together what concurrent requests write.

A commit costs PostgreSQL more than a row. Nothing waits on purpose: the first thread
writes at once, and those that arrive meanwhile are written by one of them, together.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from django.db import OperationalError, connection

_ALONE_S = 2.0  # how long the members of a refused group are tried one by one
_WAIT_S = 10.0  # how long a thread waits for the one that writes
# After a connection broke, only a thread that waited less than this tries the next one.
# If the database hangs, that takes as long again, and a request must not wait for both.
_TRY_NEXT_S = 0.5

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Entry(Generic[Item, Result]):
    """An item, the thread that waits for it, and what became of it."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Result | None = None
        self.error: Exception | None = None
        self.settled = False
        self._since = time.monotonic()
        self._gate = threading.Lock()
        self._gate.acquire()

    def fail(self, cause: Exception) -> None:
        """Have the thread raise an error of its own: several threads share `cause`."""
        self.error = OperationalError(*cause.args)
        self.error.__cause__ = cause

    def wait(self) -> None:
        """Wait for `wake`.

        Raises:
            OperationalError: It did not come within `_WAIT_S`.
        """
        if not self._gate.acquire(timeout=_WAIT_S):
            raise OperationalError("The statement before this one does not end.")

    @property
    def waited_s(self) -> float:
        """Return for how long its thread has waited."""
        return time.monotonic() - self._since

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
        # Writes, or is to write next. While there is one, the others wait.
        self._leader: _Entry[Item, Result] | None = None
        self._broke = False  # the connection of the last one that wrote
        self._lock = threading.Lock()

    def write(self, item: Item) -> Result:
        """Write one item, and return its result once it is committed.

        Inside a transaction it is written there, alone.

        Raises:
            OperationalError, InterfaceError: The database did not confirm the commit.
                It is in doubt if the connection broke, or if this thread no longer
                waits for another one that writes the item.
            DatabaseError: It refused this item.
        """
        if connection.in_atomic_block:
            return self._write([item])[0]
        entry: _Entry[Item, Result] = _Entry(item)
        try:
            with self._lock:
                self._waiting.append(entry)
                if self._leader is None:
                    self._leader = entry
                leads = self._leader is entry
            if not leads:
                entry.wait()
            if not entry.settled:
                self._demand_that_it_may_try(entry)
                self._write_waiting()
        except BaseException:  # no longer waits, or a signal's, in the main thread
            self._leave(entry)
            raise
        if entry.error is not None:
            raise entry.error
        return entry.result  # type: ignore[return-value]  # set with `settled`

    def _demand_that_it_may_try(self, entry: _Entry[Item, Result]) -> None:
        """Raise OperationalError if its thread has waited for a broken connection."""
        if self._broke and entry.waited_s > _TRY_NEXT_S:
            raise OperationalError("The database does not answer.")

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
                following = self._hand_on()
            for entry in group[1:]:
                entry.wake()
            if following:
                following.wake()

    def _hand_on(self) -> _Entry[Item, Result] | None:
        """Choose who writes next, whom the caller wakes; the caller has the lock."""
        self._leader = self._waiting[0] if self._waiting else None
        return self._leader

    def _leave(self, entry: _Entry[Item, Result]) -> None:
        """Withdraw an item whose thread gives up, if no other writes it now."""
        with self._lock:
            if entry in self._waiting:
                self._waiting.remove(entry)
            following = self._hand_on() if self._leader is entry else None
        if following:
            following.wake()

    def _settle(self, group: list[_Entry[Item, Result]]) -> None:
        """Write a group, and settle each entry with its result or an error."""
        try:
            results = self._write([entry.item for entry in group])
        except Exception as error:  # noqa: BLE001 - raised again by the entry's thread
            self._broke = not connection.is_usable()
            if len(group) == 1:
                group[0].error = error
            elif not self._broke:
                self._settle_alone(group, error)
            else:  # nobody knows whether the group is committed
                for entry in group:
                    entry.fail(error)
        else:
            self._broke = False
            for entry, result in zip(group, results, strict=True):
                entry.result = result
        for entry in group:
            entry.settled = True

    def _settle_alone(
        self, group: list[_Entry[Item, Result]], error: Exception
    ) -> None:
        """Write each entry of a refused group alone: one must not fail the others.

        A database that hangs would let each wait for its timeout, one after another, so
        those whose turn has not come within `_ALONE_S` fail without being written.
        """
        until = time.monotonic() + _ALONE_S
        for entry in group:
            if time.monotonic() < until:
                self._settle([entry])
            else:
                entry.fail(error)
