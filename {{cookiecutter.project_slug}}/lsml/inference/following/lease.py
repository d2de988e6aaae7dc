"""Lets one process at a time check a project.

A check that began before a change of the settings would undo in Label Studio what a
later one did. Two checks at once would do things twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from lsml.jobs.row_lease import leased
from lsml.registry.models import Following, Project

# A check takes a second or two. Each of its requests may take a minute.
_LEASE: Final = timedelta(minutes=5)


@contextmanager
def checking(project: Project) -> Iterator[bool]:
    """Yield whether this process alone may check the project now.

    If so, the project is read again, because the process before may have changed it.
    """
    Following.objects.get_or_create(project=project)
    with leased(Following.objects.filter(project=project), _LEASE) as is_ours:
        if is_ours:
            project.refresh_from_db()
        yield is_ours
