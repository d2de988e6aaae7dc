"""A model's key-value state during training. It is written when the run succeeds.

A run that fails, or whose worker lost its lease, does not change the state.
"""

from lsml.jobs.database import retry_while_database_is_down
from lsml.registry.models import Project, StateItem
from lsml.registry.state import MODEL_VERSION


class RunStore:
    """Reads the project's state; values that are set stay in this process."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.written: dict[str, str] = {}  # values that were set, without the version
        self.version_name = ""  # the name that the training gave the version
        self.set_in_training = False  # by the training itself, not by `setup()`
        self._own_version = ""
        self._training = False
        self._ended = False

    def begin_training(self) -> None:
        """Take version names that are set from now on as the new version's.

        Before this, `setup()` names the untrained model, as it does on every load.
        """
        self._training = True

    def end_training(self) -> None:
        """Ignore version names from now on: the model is only loaded to test it."""
        self._ended = True

    def get(self, key: str) -> str | None:
        """Return the value, or None."""
        if key == MODEL_VERSION:
            return self._own_version or self._project.served_version
        if key in self.written:
            return self.written[key]
        item = retry_while_database_is_down(lambda: self._item(key))
        return item.value if item else None

    def set(self, key: str, value: str) -> None:
        """Keep `value` in this process; all processes see it once the run succeeded."""
        self.set_in_training |= self._training
        if key != MODEL_VERSION:
            self.written[key] = value
        elif self._ended:
            return
        elif self._training:
            self._own_version = self.version_name = value
        elif not self._is_trained():
            self._own_version = value

    def has(self, key: str) -> bool:
        """Whether the key was ever set."""
        if key == MODEL_VERSION or key in self.written:
            return True
        return retry_while_database_is_down(lambda: self._item(key)) is not None

    def _is_trained(self) -> bool:
        version = self._project.active_version
        return version is not None and version.trained

    def _item(self, key: str) -> StateItem | None:
        return StateItem.objects.filter(project=self._project, key=key).first()
