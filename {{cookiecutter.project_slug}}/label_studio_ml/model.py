"""`LabelStudioMLBase`, the class a model inherits from. Light to import."""

from __future__ import annotations

import json
import logging
import sys
from abc import ABC
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .configured import Configured
from .lazy import load
from .state import current_binding, process_store
from .task_files import TaskFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from semver import Version

    from .training import Dataset, Run

    Function = TypeVar("Function", bound=Callable[..., Any])

logger = logging.getLogger(__name__)

_predict_fn: Callable[..., Any] | None = None
_update_fn: Callable[..., Any] | None = None


def __getattr__(name: str) -> Any:
    return load(name)


def predict_fn(f: Function) -> Function:
    """Register a function as `predict`: `f(tasks, context, helper=model, **kwargs)`."""
    global _predict_fn  # noqa: PLW0603 - one model per process, as in the reference
    _predict_fn = f
    return f


def update_fn(f: Function) -> Function:
    """Register a function as `fit`: `f(event, data, helper=model, **kwargs)`."""
    global _update_fn  # noqa: PLW0603 - one model per process, as in the reference
    _update_fn = f
    return f


class LabelStudioMLBase(Configured, TaskFiles, ABC):
    """A model for Label Studio: override `predict`, and `train` or `fit`.

    `load` and `train` are the service's additions; all else is the reference SDK's.
    """

    INITIAL_MODEL_VERSION: ClassVar[str] = "0.0.1"

    # The events `fit` is called for: the reference's list, although Label Studio never
    # sends ANNOTATION_DELETED. What it sends instead (ANNOTATIONS_DELETED) has another
    # shape, which a legacy fit() would fail on; a model that reads it adds the name.
    TRAIN_EVENTS: ClassVar[tuple[str, ...]] = (
        "ANNOTATION_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATION_DELETED",
        "START_TRAINING",
    )

    concurrency: ClassVar[int] = 1  # predict() calls that may run at once in a process

    project_id: str

    def __new__(cls, *args: Any, **kwargs: Any) -> LabelStudioMLBase:
        # State works even where a subclass' __init__ forgets to call ours.
        model = super().__new__(cls)
        binding = current_binding()
        model.project_id = (binding.project_id if binding else None) or ""
        model._store = binding.store if binding else process_store("")
        return model

    def __init__(
        self, project_id: str | None = None, label_config: str | None = None
    ) -> None:
        """Take the project and its label config, then run `setup`.

        Args:
            project_id: Label Studio's project id, the part before the dot.
            label_config: The project's labelling configuration (XML).
        """
        binding = current_binding()
        if project_id:
            self.project_id = str(project_id)
        if not binding:
            self._store = process_store(self.project_id)
        if not label_config and binding:
            label_config = binding.label_config
        if label_config:
            self.use_label_config(label_config)
        else:
            logger.warning("Label config is not provided")
        if not self.get("model_version"):
            self.set("model_version", self.INITIAL_MODEL_VERSION)
        self.setup()

    # What a model overrides

    def setup(self) -> None:
        """Prepare the model, for example `self.set("model_version", "my-model-1")`."""

    def load(self, artifacts: Path) -> None:
        """Read what `train` wrote; called once per process and version.

        Args:
            artifacts: The folder that was `run.artifacts`; read it, do not write to it.
        """

    def predict(
        self,
        tasks: list[dict[str, Any]],
        context: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return predictions for tasks.

        Args:
            tasks: Tasks as Label Studio sends them, `data` being what matters.
            context: What the annotator has drawn, in interactive mode; else None.
            kwargs: Other request parameters, such as `login` and `password`.

        Returns:
            A `ModelResponse`; or a list with an item per task, each a dict with
            `result` (and `score`, `model_version`) or a list of such dicts; or a dict
            with `predictions`; or None.
        """
        if _predict_fn:
            return _predict_fn(tasks, context, helper=self, **kwargs)
        return None

    def train(self, dataset: Dataset, run: Run) -> Mapping[str, float] | None:
        """Learn from all annotated tasks; called once per run, in place of `fit`.

        Args:
            dataset: The project's annotated tasks.
            run: Where to write artifacts and report progress.

        Returns:
            Metrics of the new version, if there are any.
        """
        raise NotImplementedError(f"{type(self).__name__} has no train(dataset, run)")

    def fit(self, event: str, data: dict[str, Any], **additional_params: Any) -> Any:
        """Learn from one event.

        Args:
            event: One of `TRAIN_EVENTS`.
            data: The webhook's body without `action`.
            additional_params: What the caller adds; accept them with `**kwargs`.

        Returns:
            Anything; the numbers of a mapping become metrics of the version.
        """
        if _update_fn:
            return _update_fn(event, data, helper=self, **additional_params)
        return None

    # What is kept in the state, besides

    @property
    def model_version(self) -> Version | str | None:
        """The version: a `semver.Version` if it reads as one ("0.0.1"), else text."""
        from semver import Version

        version = self.get("model_version")
        if version and Version.is_valid(version):
            return Version.parse(version)
        return version or None

    def bump_model_version(self) -> Version:
        """Raise the minor part of the version by one ("0.0.1" to "0.1.0") and keep it.

        Raises:
            ValueError: The version is no semantic one, so it cannot be bumped.
        """
        version = self.model_version
        if version is None or isinstance(version, str):
            raise ValueError(
                f"model_version {version!r} is no semantic version such as 0.0.1: "
                "set the next one with self.set('model_version', …)"
            )
        bumped = version.bump_minor()
        self.set("model_version", str(bumped))
        return bumped

    @property
    def extra_params(self) -> Any:
        """The extra parameters of the connection in Label Studio; {} without any."""
        kept = self.get("extra_params")
        return json.loads(kept) if kept else {}

    def set_extra_params(self, extra_params: Any) -> None:
        """Keep the extra parameters: JSON text, or what can be written as JSON."""
        is_text = isinstance(extra_params, str)
        self.set("extra_params", extra_params if is_text else json.dumps(extra_params))

    # Events, as the reference's job runner calls it

    def process_event(
        self,
        event: str,
        data: dict[str, Any],
        job_id: str,
        additional_params: dict[str, Any],
    ) -> Any:
        """Call `fit` if the event is one to train on, and return what it returned."""
        if event not in self.TRAIN_EVENTS:
            return None
        return self.fit(event=event, data=data, job_id=job_id, **additional_params)


def get_all_classes_inherited_LabelStudioMLBase(script_file: str) -> list[str]:
    """Return the names of the model classes in a Python script."""
    from importlib import import_module

    from .hosting import model_classes

    path = Path(script_file).resolve()
    sys.path.append(str(path.parent))
    try:
        return [each.__name__ for each in model_classes(import_module(path.stem))]
    finally:
        sys.path.pop()
