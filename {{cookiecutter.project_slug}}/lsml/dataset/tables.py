"""Converts rows of the two tables that hold states to states and back."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Final, Generic, cast

from django.db.models import Model, QuerySet

from lsml.dataset.merge import State
from lsml.dataset.models import Annotation, Task
from lsml.labelstudio.task_json import AnnotationState, TaskState
from lsml.registry.models import Project

ROWS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Table(Generic[State]):
    """A model whose columns have the names of the fields of a state."""

    model: type[Model]
    state: type[State]
    key: str  # the column of Label Studio's ID
    noun: str  # plural, for reports

    @property
    def columns(self) -> list[str]:
        """Every column of a state but the key."""
        names = [field.name for field in fields(self.state)]
        return [name for name in names if name != self.key]

    def rows(self, project: Project, numbers: Iterable[int]) -> QuerySet[Any]:
        """Return the project's rows with these IDs of Label Studio."""
        rows: QuerySet[Any] = self.model._default_manager.all()
        return rows.filter(project=project, **{f"{self.key}__in": list(numbers)})

    def number(self, item: Any) -> int:
        """Return Label Studio's ID of a row or a state."""
        return cast("int", getattr(item, self.key))

    def state_of(self, row: Model) -> State:
        """Return the state in a row."""
        return self.state(
            **{name: getattr(row, name) for name in (self.key, *self.columns)}
        )

    def new_row(self, project: Project, state: State) -> Model:
        """Return an unsaved row with the content of the state."""
        row = self.model(project=project, **{self.key: self.number(state)})
        self.copy(state, row)
        return row

    def copy(self, state: State, row: Model) -> None:
        """Write the state to a row, without saving it."""
        for name in self.columns:
            setattr(row, name, getattr(state, name))


TASKS: Final = Table(Task, TaskState, key="task_id", noun="tasks")
ANNOTATIONS: Final = Table(
    Annotation, AnnotationState, key="annotation_id", noun="annotations"
)
