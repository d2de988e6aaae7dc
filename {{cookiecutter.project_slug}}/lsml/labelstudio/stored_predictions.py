"""Asks Label Studio which tasks of a project have a prediction of a version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lsml.labelstudio.reading import LARGEST_ID, JsonObject, as_id
from lsml.labelstudio.task_listing import TaskListing, between

if TYPE_CHECKING:
    from collections.abc import Collection

    from lsml.labelstudio.client import LabelStudio

# Label Studio cuts the column after 500 characters of JSON, of which it shows fewer.
_COLUMN_CUT = 370


@dataclass(frozen=True, slots=True)
class TasksWithVersion:
    """The tasks that have a prediction of a version, by Label Studio's ID."""

    ids: frozenset[int]
    # Whether `ids` are those without one; then a task after `newest` is also without.
    inverted: bool = False
    newest: int = 0

    def __contains__(self, task_id: int) -> bool:
        if self.inverted:
            return task_id <= self.newest and task_id not in self.ids
        return task_id in self.ids

    @property
    def are_all(self) -> bool:
        """Whether all tasks known here have one."""
        return self.inverted and not self.ids


class StoredPredictions:
    """The predictions that Label Studio holds for one project."""

    def __init__(self, studio: LabelStudio, project_id: int) -> None:
        self._studio = studio
        self._project_id = project_id
        self._listing = TaskListing(studio, project_id)

    def has(self, version: str, *, task: int) -> bool:
        """Whether a task has a prediction of the version; False if it was deleted."""
        predictions = self._studio.predictions(task)
        return any(each.get("model_version") == version for each in predictions)

    def tasks_with(self, version: str, *, newest: int) -> TasksWithVersion:
        """Return which tasks have a prediction of the version.

        Lists as few tasks as possible: none if all of them have one, or none has.

        Args:
            version: of the model.
            newest: the largest ID of a task that is known here.
        """
        versions = self._studio.prediction_versions(self._project_id)
        if version not in versions:
            return TasksWithVersion(frozenset())
        if not _is_part_of_another(version, versions):
            without = [_version("not_contains", version)]
            total = as_id(self._studio.project(self._project_id).get("task_number"))
            lacking = self._listing.count(without)
            if 2 * lacking < (total or 0):
                ids = frozenset(self._listing.ids(without)) if lacking else frozenset()
                return TasksWithVersion(ids, inverted=True, newest=newest)
        return TasksWithVersion(self._with(version, versions, 0, LARGEST_ID))

    def all_have(self, version: str, ids: Collection[int]) -> bool:
        """Whether each of the tasks has a prediction of the version.

        If no task in this range of IDs lacks the version, one count answers. Otherwise
        the tasks are listed, and a deleted one counts as lacking it.
        """
        versions = self._studio.prediction_versions(self._project_id)
        if not _is_part_of_another(version, versions):
            within = between(min(ids), max(ids))
            if not self._listing.count([within, _version("not_contains", version)]):
                return True
        return self.with_version_among(version, ids) == set(ids)

    def with_version_among(self, version: str, ids: Collection[int]) -> set[int]:
        """Return which of the tasks have a prediction of the version.

        Lists no task if none has one. If most tasks between the first and the last have
        one, those without are listed first, and the others only if some are left.
        """
        versions = self._studio.prediction_versions(self._project_id)
        left = set(ids)
        if not left or version not in versions:
            return set()
        if not _is_part_of_another(version, versions):
            within = between(min(left), max(left))
            having = self._listing.count([within, _version("contains", version)])
            without = [_version("not_contains", version)]
            if not having:
                return set()
            if 0 < self._listing.count([within, *without]) < having:
                left -= set(self._listing.ids(without, min(left), max(left)))
        # Those left are listed as well: a deleted task is in neither list.
        return left and left & self._with(version, versions, min(left), max(left))

    def is_needed(self, older: str, *, beside: str) -> bool:
        """Whether a task has a prediction of `older`, but none of the version `beside`.

        If not, it may still say so if another version's name contains `older`.
        """
        versions = self._studio.prediction_versions(self._project_id)
        if _is_part_of_another(beside, versions):
            having = self._with(beside, versions, 0, LARGEST_ID)
            return not self._with(older, versions, 0, LARGEST_ID) <= having
        return bool(
            self._listing.count(
                [_version("contains", older), _version("not_contains", beside)]
            )
        )

    def existing_between(self, *, first: int, last: int) -> frozenset[int]:
        """Return the project's tasks from `first` to `last`."""
        return frozenset(self._listing.ids([], first, last))

    def _with(
        self, version: str, versions: Collection[str], first: int, last: int
    ) -> frozenset[int]:
        containing = [_version("contains", version)]
        if not _is_part_of_another(version, versions):
            return frozenset(self._listing.ids(containing, first, last))
        # Only tasks with predictions match, so Label Studio asks no backend for them.
        return frozenset(
            task_id
            for task_id, task in self._listing.tasks(containing, first, last)
            if self._has_exactly(version, task_id, task)
        )

    def _has_exactly(self, version: str, task_id: int, task: JsonObject) -> bool:
        column = str(task.get("predictions_model_versions") or "")
        if len(column) >= _COLUMN_CUT or set(version) & set(',"\\ '):
            return self.has(version, task=task_id)
        return version in [each.strip() for each in column.split(",")]


def _is_part_of_another(version: str, versions: Collection[str]) -> bool:
    """Whether a filter for it also finds others: v1 is part of v10."""
    # SQLite also finds other cases.
    part = version.casefold()
    return any(part in each.casefold() for each in versions if each != version)


def _version(operator: str, version: str) -> JsonObject:
    return {
        "filter": "filter:tasks:predictions_model_versions",
        "operator": operator,
        "type": "List",
        "value": [version],  # of a text, Label Studio would look for each character
    }
