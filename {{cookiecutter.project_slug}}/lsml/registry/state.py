"""A model's key-value state in PostgreSQL, shared by all processes.

Passed to `label_studio_ml` by inference and training: `state.bound(ProjectStore(…))`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.utils import timezone

from lsml.observability.origin import Origin
from lsml.registry.errors import UnknownVersion
from lsml.registry.models import Project, StateItem
from lsml.registry.services import VersionFacts, promote, register_version
from lsml.registry.versions import find_version

MODEL_VERSION = "model_version"


class ProjectStore:
    """The store behind `self.get`, `self.set` and `self.has` of a project's model.

    The key `model_version` is special: reading it returns the served version, and
    setting it, as models for the reference SDK do, creates a version and promotes it.
    """

    def __init__(self, project_pk: int, origin: Origin, *, version: str) -> None:
        """Create the store of a model.

        Args:
            project_pk: The project.
            origin: Recorded on what the model changes.
            version: The model's. Only the served one may name a version: one that is
                being evaluated must not promote itself.
        """
        self.project_pk = project_pk
        self.origin = origin
        self._version = version
        self.adopted: str | None = None  # the version the model named last
        self._in_setup = False
        self._names_version = True

    @contextmanager
    def during_setup(self, *, names_version: bool) -> Iterator[None]:
        """Restrict what setting `model_version` does while `setup()` runs.

        `setup()` names the untrained model on every load. That must neither replace a
        trained version that is served, nor rename one that is being loaded.

        Args:
            names_version: Whether the untrained model is being set up.
        """
        self._in_setup, self._names_version = True, names_version
        try:
            yield
        finally:
            self._in_setup, self._names_version = False, True

    def take_adopted(self) -> str | None:
        """Return the version named since the last call, if any."""
        adopted, self.adopted = self.adopted, None
        return adopted

    def get(self, key: str) -> str | None:
        """Return the value, or None."""
        if key == MODEL_VERSION:
            return self._project().served_version
        items = StateItem.objects.filter(project_id=self.project_pk, key=key)
        return items.values_list("value", flat=True).first()

    def set(self, key: str, value: str) -> None:
        """Store `value`; all processes see it once this returns."""
        if key == MODEL_VERSION:
            self._adopt_version(value)
            return
        StateItem.objects.update_or_create(
            project_id=self.project_pk, key=key, defaults={"value": value}
        )

    def has(self, key: str) -> bool:
        """Whether the key was ever set."""
        if key == MODEL_VERSION:
            return True
        return StateItem.objects.filter(project_id=self.project_pk, key=key).exists()

    def _project(self) -> Project:
        return Project.objects.select_related("active_version").get(pk=self.project_pk)

    def _adopt_version(self, name: str) -> None:
        project = self._project()
        if not name or not self._names_version or name == project.served_version:
            return
        if self._version != project.served_version:
            return
        active = project.active_version
        if self._in_setup and active is not None and active.trained:
            return
        with transaction.atomic():
            try:
                version = find_version(project=project, version=name)
            except UnknownVersion:
                version = register_version(
                    project=project,
                    facts=VersionFacts(version=name, parent=active),
                    at=timezone.now(),
                    origin=self.origin,
                )
            promote(
                project=project,
                version=version,
                actor="model",
                reason=f"model.py set model_version to {name!r}",
                origin=self.origin,
            )
        self.adopted = self._version = name
