"""`LabelStudioMLBase`, the base class of models. Quick to import."""

from __future__ import annotations

import json
import logging
import sys
from abc import ABC
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .configured import Configured
from .lazy import load
from .overridable import overridable
from .shared import shared_by
from .state import current_binding, process_store
from .task_cache import TaskCache
from .task_files import TaskFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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

    The service adds these to the API of the reference SDK: `load`, `train`,
    `load_shared`, `prefetch`, `embed`, `shared`, `task_cache`, `concurrency`,
    `batch_size`.
    """

    INITIAL_MODEL_VERSION: ClassVar[str] = "0.0.1"

    # The events that `fit` is called for. This is the reference's list, although Label
    # Studio never sends ANNOTATION_DELETED. It sends ANNOTATIONS_DELETED, whose shape
    # would break a legacy fit(). A model that can read it adds that name.
    TRAIN_EVENTS: ClassVar[tuple[str, ...]] = (
        "ANNOTATION_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATION_DELETED",
        "START_TRAINING",
    )

    concurrency: ClassVar[int] = 1  # simultaneous predict() calls in one process

    # How many tasks of concurrent requests one predict() call takes together. Only
    # requests of the same project and version, without interactive context, are put
    # together. 1 = never. Read from the class: an instance may use the name otherwise.
    batch_size: ClassVar[int] = 1

    project_id: str
    _task_cache: TaskCache

    def __new__(cls, *args: Any, **kwargs: Any) -> LabelStudioMLBase:
        # State and cache work even if a subclass's __init__ does not call ours.
        model = super().__new__(cls)
        binding = current_binding()
        model.project_id = (binding.project_id if binding else None) or ""
        model._store = binding.store if binding else process_store("")
        model._task_cache = TaskCache()
        return model

    def __init__(
        self, project_id: str | None = None, label_config: str | None = None
    ) -> None:
        """Set the project and its label config, then run `setup`.

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

    # For models to override

    def setup(self) -> None:
        """Prepare the model, for example `self.set("model_version", "my-model-1")`."""

    @classmethod
    def load_shared(cls) -> Any:
        """Load what all projects and versions use, such as base weights.

        Called once per process, before `load`. `self.shared` is the result. All models
        of the class together run `concurrency` calls at once.
        """
        return None

    def load(self, artifacts: Path) -> None:
        """Read what `train` wrote. Called once per process and version.

        Args:
            artifacts: A copy of the folder `run.artifacts`. Do not write to it.
        """

    def predict(
        self,
        tasks: list[dict[str, Any]],
        context: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return predictions for tasks.

        Args:
            tasks: Tasks as Label Studio sends them. `data` has the imported values.
            context: In interactive mode, what the annotator has drawn; else None.
            kwargs: Other request parameters, such as `login` and `password`.

        Returns:
            One of: a `ModelResponse`; a list with one item per task, in the order of
            the tasks, each a dict with `result` (and `score`, `model_version`) or a
            list of such dicts; a dict with `predictions`; None.
        """
        if _predict_fn:
            return _predict_fn(tasks, context, helper=self, **kwargs)
        return None

    def prefetch(self, task: dict[str, Any]) -> None:
        """Prepare for the next requests about a task, for example fill `task_cache`.

        Called in idle time after an annotator opened the task. The service may skip
        it, so `predict` must not depend on it.

        Args:
            task: The task as `predict` got it.
        """

    def embed(self, tasks: list[dict[str, Any]]) -> Iterable[Iterable[float]]:
        """Return a vector for each task; those of similar tasks are close in angle.

        The service calls it to choose tasks to label that differ from each other.

        Args:
            tasks: The tasks as `predict` gets them.

        Returns:
            A vector for each task, in their order, all of the same length: lists, or
            the rows of a NumPy array or of a tensor in main memory.
        """
        raise NotImplementedError(f"{type(self).__name__} has no embed(tasks)")

    def train(self, dataset: Dataset, run: Run) -> Mapping[str, float] | None:
        """Learn from all annotated tasks. Called once per run, instead of `fit`.

        Args:
            dataset: The project's annotated tasks.
            run: Takes artifacts and progress reports.

        Returns:
            Metrics of the new version, or None.
        """
        raise NotImplementedError(f"{type(self).__name__} has no train(dataset, run)")

    def fit(self, event: str, data: dict[str, Any], **additional_params: Any) -> Any:
        """Learn from one event.

        Args:
            event: One of `TRAIN_EVENTS`.
            data: The webhook's body without `action`.
            additional_params: The caller's other arguments; accept them as `**kwargs`.

        Returns:
            Anything. If it is a mapping, its numbers become metrics of the version.
        """
        if _update_fn:
            return _update_fn(event, data, helper=self, **additional_params)
        return None

    # What the models of a process share

    @overridable
    def shared(self) -> Any:
        """The result of `load_shared`, which is loaded at the first access."""
        return shared_by(type(self))

    @overridable
    def task_cache(self) -> TaskCache:
        """A cache for results per task. It is kept between calls of `predict`."""
        return self._task_cache

    # Other values in the state

    @property
    def model_version(self) -> Version | str | None:
        """The version: a `semver.Version` if it can be parsed as one, else text."""
        from semver import Version

        version = self.get("model_version")
        if version and Version.is_valid(version):
            return Version.parse(version)
        return version or None

    def bump_model_version(self) -> Version:
        """Raise the minor part of the version ("0.0.1" to "0.1.0") and store it.

        Raises:
            ValueError: The version is not a semantic version.
        """
        version = self.model_version
        if version is None or isinstance(version, str):
            raise ValueError(
                f"model_version {version!r} is not a semantic version such as 0.0.1: "
                "set the next one with self.set('model_version', …)."
            )
        bumped = version.bump_minor()
        self.set("model_version", str(bumped))
        return bumped

    @property
    def extra_params(self) -> Any:
        """The extra parameters of the connection in Label Studio, {} by default."""
        kept = self.get("extra_params")
        return json.loads(kept) if kept else {}

    def set_extra_params(self, extra_params: Any) -> None:
        """Store the extra parameters, given as JSON text or as a JSON value."""
        is_text = isinstance(extra_params, str)
        self.set("extra_params", extra_params if is_text else json.dumps(extra_params))

    # Called by the reference's job runner

    def process_event(
        self,
        event: str,
        data: dict[str, Any],
        job_id: str,
        additional_params: dict[str, Any],
    ) -> Any:
        """Call `fit` for an event of `TRAIN_EVENTS` and return its result."""
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
