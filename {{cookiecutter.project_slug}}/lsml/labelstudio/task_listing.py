"""Lists and counts the tasks of a project in Label Studio that match filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsml.labelstudio.failures import NoSuchThing, NoSuchView
from lsml.labelstudio.reading import LARGEST_ID, JsonObject, as_dict, as_id, as_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lsml.labelstudio.client import LabelStudio

_PAGE_SIZE = 500  # tasks; Label Studio needs a millisecond or more for each
# With `evaluate_predictions_automatically`, Label Studio has the backend predict the
# tasks of a page, but not for a review. A review lacks the column with the versions.
WITHOUT_PREDICTING = {"review": "true"}


class TaskListing:
    """The tasks of one project. A task matches if it matches all filters."""

    def __init__(self, studio: LabelStudio, project_id: int) -> None:
        self._studio = studio
        self._project_id = project_id

    def count(self, filters: Sequence[JsonObject]) -> int:
        """Return how many tasks match."""
        found = _all_of(filters)
        return self._studio.tasks(
            self._project_id, found, page_size=1, **WITHOUT_PREDICTING
        )[1]

    def ids(
        self,
        filters: Sequence[JsonObject],
        first: int = 0,
        last: int = LARGEST_ID,
    ) -> Iterator[int]:
        """Yield the IDs of the matching tasks from `first` to `last`."""
        for task_id, _ in self.tasks(filters, first, last, **WITHOUT_PREDICTING):
            yield task_id

    def tasks(
        self, filters: Sequence[JsonObject], first: int, last: int, **options: str
    ) -> Iterator[tuple[int, JsonObject]]:
        """Yield the matching tasks from `first` to `last`, by ascending ID.

        Each request asks for IDs above the last one seen, so a task that stops matching
        meanwhile shifts no other task out of a page.
        """
        while True:
            found = _all_of([between(first, last), *filters])
            tasks, total = self._studio.tasks(
                self._project_id, found, page_size=_PAGE_SIZE, **options
            )
            for task in tasks:
                task_id = as_id(task.get("id")) or 0
                first = max(first, task_id + 1)
                yield task_id, task
            if not tasks or total <= len(tasks):
                return

    def in_view(self, view_id: int) -> set[int]:
        """Return the IDs of the tasks that match the filters of a view.

        A view is a tab of the data manager. Which of its tasks are ticked is ignored.

        Raises:
            NoSuchView: the project has no such view.
        """
        try:
            view = self._studio.view(view_id)
        except NoSuchThing:
            view = {}
        if as_id(view.get("project")) != self._project_id:
            raise NoSuchView(view=view_id, project=self._project_id)
        found = as_dict(as_dict(view.get("data")).get("filters"))
        filters = [as_dict(each) for each in as_list(found.get("items"))]
        if found.get("conjunction") != "or" or not filters:
            return set(self.ids(filters))
        # Filters with "or" between them cannot be combined with the range of a page.
        return {task_id for each in filters for task_id in self.ids([each])}


def between(first: int, last: int) -> JsonObject:
    """Return the filter for tasks from `first` to `last`."""
    return {
        "filter": "filter:tasks:id",
        "operator": "in",
        "type": "Number",
        "value": {"min": first, "max": last},
    }


def _all_of(filters: Sequence[JsonObject]) -> JsonObject:
    return {"conjunction": "and", "items": list(filters)}
