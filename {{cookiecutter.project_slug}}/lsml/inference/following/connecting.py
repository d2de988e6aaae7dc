"""What `manage.py connect` does about the order of tasks in Label Studio."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep
from typing import Final

from lsml.dataset.models import Annotation
from lsml.inference.following.check import Check, check_project
from lsml.inference.following.lease import checking
from lsml.inference.following.status import order_status
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.task_order import (
    TAB_TITLE,
    add_tab,
    why_sampling_is_defeated,
)
from lsml.observability.origin import Origin
from lsml.registry.models import Project

_POLL_S: Final = 0.5


@contextmanager
def waiting_for_checks(project: Project, say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no worker checks the project, and keep workers from it meanwhile."""
    is_told = False
    while True:
        with checking(project) as is_ours:
            if is_ours:
                yield
                return
        if not is_told:
            say("A worker is checking the project: waiting until it is ready …")
            is_told = True
        sleep(_POLL_S)


def repair_order(
    project: Project,
    studio: LabelStudio,
    *,
    with_tab: bool,
    actor: str,
    origin: Origin,
    say: Callable[[str], None],
) -> None:
    """Bring Label Studio's order up to date, and report its state.

    Call it inside `waiting_for_checks`.

    Args:
        project: As it is connected.
        studio: Its Label Studio.
        with_tab: Whether to add a tab to the data manager.
        actor: Who runs the command.
        origin: Of the command.
        say: Receives one line for each change, and what is to come.

    Raises:
        LabelStudioError: Label Studio is away or refuses.
    """
    for change in check_project(project, Check(studio, actor, origin)):
        say(f"Changed in Label Studio: {change}.")
    status = order_status(project)
    if status.version:
        say(f"Label Studio orders tasks by the scores of {status.version}.")
    for sentence in filter(None, (status.waiting, status.problem)):
        say(sentence)
    if not status.uncertainty:
        return
    if with_tab:
        added = add_tab(studio, project.labelstudio_id)
        say(f"{'Added the tab' if added else 'There is a tab like'} “{TAB_TITLE}”.")
        return
    about = studio.project(project.labelstudio_id)
    if why := why_sampling_is_defeated(about, _annotators(project)):
        say(
            f"Not every annotator gets the least certain task next: {why}. With"
            f" --add-tab, the data manager gets a tab “{TAB_TITLE}” to label from."
        )


def _annotators(project: Project) -> int:
    people = Annotation.objects.filter(project=project, completed_by__isnull=False)
    return people.values("completed_by").distinct().count()
