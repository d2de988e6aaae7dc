"""The merge rule: decides which of two states of a task or annotation is newer.

Webhooks arrive in any order and may repeat, and a sync adds states of its own. The rule
is commutative, associative and idempotent, so neither order nor repetition matters.
Plain Python, without queries.
"""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import reduce
from typing import Final, TypeVar

from lsml.labelstudio.task_json import AnnotationState, TaskState

State = TypeVar("State", TaskState, AnnotationState)

# Used as `updated_at` of a state without a date: any dated state is newer.
OLDEST: Final = datetime(1970, 1, 1, tzinfo=UTC)

_DATES: Final = {"created_at", "updated_at", "deleted_at"}


def merge(first: State, *others: State) -> State:
    """Merge states that carry the same ID.

    The latest update supplies the content. A deletion is final, whenever it arrives;
    the content stays readable. A reused ID (see `is_successor`) replaces the task or
    annotation that had it before.
    """
    return reduce(_merge_two, others, first)


def is_newer(a: State, b: State) -> bool:
    """Return whether `a` is strictly newer than `b`; deletions do not count."""
    if is_successor(a, b):
        return True
    return a.updated_at > b.updated_at and not is_successor(b, a)


def is_successor(a: State, b: State) -> bool:
    """Return whether the ID of `b` was reused for `a`, created later.

    On SQLite, Label Studio numbers an import from the largest ID in use, so the IDs of
    tasks and annotations that were deleted last are used again. A deletion sent without
    `created_at` belongs to whatever it is merged with first.
    """
    if a.created_at is None or b.created_at is None:
        return False
    return a.created_at > b.created_at


def content(state: TaskState | AnnotationState) -> dict[str, object]:
    """Return the fields of a state, without its dates."""
    names = (field.name for field in fields(state) if field.name not in _DATES)
    return {name: getattr(state, name) for name in names}


def _merge_two(a: State, b: State) -> State:
    if is_successor(a, b):
        return a
    if is_successor(b, a):
        return b
    deletions = [each.deleted_at for each in (a, b) if each.deleted_at]
    return replace(
        _latest(a, b),
        created_at=a.created_at or b.created_at,
        deleted_at=min(deletions, default=None),
    )


def _latest(a: State, b: State) -> State:
    if a.updated_at != b.updated_at:
        return max(a, b, key=lambda state: state.updated_at)
    # Same time, so any choice will do that does not depend on the order.
    return max(a, b, key=lambda state: json.dumps(content(state), sort_keys=True))
