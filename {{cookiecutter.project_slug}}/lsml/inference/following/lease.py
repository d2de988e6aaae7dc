"""Lets one process at a time check a project.

A check that began before a change of the settings would undo in Label Studio what a
later one did. Two checks at once would do things twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from django.db.models import Q
from django.db.models.functions import Now

from lsml.registry.models import Following, Project

# A check takes a second or two. Each of its requests may take a minute.
_LEASE: Final = timedelta(minutes=5)


@contextmanager
def checking(project: Project) -> Iterator[bool]:
    """Yield whether this process alone may check the project now.

    If so, the project is read again, because the process before may have changed it.
    The lease is kept in a row for the reasons in ADR 11, and expires if the process is
    killed.
    """
    Following.objects.get_or_create(project=project)
    row = Following.objects.filter(project=project)
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=Now())
    if not row.filter(free).update(lease_expires_at=Now() + _LEASE):
        yield False
        return
    expires = row.values_list("lease_expires_at", flat=True).get()
    try:
        project.refresh_from_db()
        yield True
    finally:
        row.filter(lease_expires_at=expires).update(lease_expires_at=None)
