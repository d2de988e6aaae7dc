"""`LabelStudioMLBase`, the class a model inherits from. Light to import."""

from __future__ import annotations

import json
import logging
import os
import sys
from abc import ABC
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from label_studio_sdk._extensions.label_studio_tools.core.label_config import (
    parse_config,
)

from .label_config import NameFilter, TagTypes, first_tag_pair
from .state import Store, current_binding, process_store
from .utils import is_preload_needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from semver import Version

    from .training import Dataset, Run

    Function = TypeVar("Function", bound=Callable[..., Any])

logger = logging.getLogger(__name__)

_predict_fn: Callable[..., Any] | None = None
_update_fn: Callable[..., Any] | None = None

# Importing these takes seconds (label_studio_sdk) or a tenth of one (pydantic); a web
# process or a training child that never touches them must not wait for them.
_ON_DEMAND = {
    "LabelInterface": "label_studio_sdk.label_interface",
    "LabelStudio": "label_studio_sdk",
    "ModelResponse": "label_studio_ml.response",
    "CACHE": "label_studio_ml.cache",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ON_DEMAND[name]), name)


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


class LabelStudioMLBase(ABC):
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
    _store: Store
    _own_label_config: str | None  # the one it was made for, whatever others set
    _label_interface: Any
    _label_studio_client: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> LabelStudioMLBase:
        # State works even where a subclass' __init__ forgets to call ours.
        model = super().__new__(cls)
        binding = current_binding()
        model.project_id = (binding.project_id if binding else None) or ""
        model._store = binding.store if binding else process_store("")
        model._own_label_config = None
        model._label_interface = None
        model._label_studio_client = None
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

    def setup(self) -> None:  # noqa: B027 - optional to override
        """Prepare the model, for example `self.set("model_version", "my-model-1")`."""

    def load(self, artifacts: Path) -> None:  # noqa: B027 - optional to override
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

    # State: strings, one set per project, seen by every process at once

    def get(self, key: str) -> str | None:
        """Return what was set, None where nothing was."""
        return self._store.get(key)

    def set(self, key: str, value: str) -> None:
        """Keep a string.

        Raises:
            ValueError: The value is no string.
        """
        if not isinstance(value, str):
            kind = type(value).__name__
            raise ValueError(f"Value must be a string, {key!r} got {kind}")  # noqa: TRY004 - as the reference
        self._store.set(key, value)

    def has(self, key: str) -> bool:
        """Tell whether the key was set."""
        return self._store.has(key)

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

    # The label config

    def use_label_config(self, label_config: str) -> None:
        """Serve this label config from now on.

        Raises:
            Exception: label-studio-sdk's, where the config cannot be parsed.
        """
        if self.get("label_config") != label_config:
            parsed = json.dumps(parse_config(label_config))
            self.set("label_config", label_config)
            self.set("parsed_label_config", parsed)
        self._own_label_config = label_config
        self._label_interface = None

    @property
    def label_config(self) -> str | None:
        """The labelling configuration (XML)."""
        return self.get("label_config")

    @property
    def parsed_label_config(self) -> dict[str, Any]:
        """The label config as a dict: control tag name to type, inputs, labels."""
        parsed: dict[str, Any] = json.loads(self.get("parsed_label_config") or "{}")
        return parsed

    @property
    def label_interface(self) -> Any:
        """The label config as label-studio-sdk's `LabelInterface`."""
        if self._label_interface is None:
            if self._own_label_config is None:
                raise AttributeError(
                    "label_interface needs a label config, none was given"
                )
            self._label_interface = _this().LabelInterface(
                config=self._own_label_config
            )
        return self._label_interface

    @label_interface.setter
    def label_interface(self, label_interface: Any) -> None:
        self._label_interface = label_interface

    def get_first_tag_occurence(
        self,
        control_type: TagTypes,
        object_type: TagTypes,
        name_filter: NameFilter | None = None,
        to_name_filter: NameFilter | None = None,
    ) -> tuple[str, str, str]:
        """Return (from_name, to_name, value) of the first matching pair of tags.

        Args:
            control_type: Control tag, such as "Choices", or several.
            object_type: Object tag, such as "Text", or several.
            name_filter: Which control tag names count.
            to_name_filter: Which object tag names count.
        """
        wanted: dict[str, Any] = {
            "control_type": control_type,
            "object_type": object_type,
            "name_filter": name_filter,
            "to_name_filter": to_name_filter,
        }
        if self._label_interface is None and self._own_label_config:
            quick = first_tag_pair(self._own_label_config, **wanted)
            if quick:
                return quick
        found: tuple[str, str, str] = self.label_interface.get_first_tag_occurence(
            **wanted
        )
        return found

    def build_label_map(self, tag_name: str, names: Iterable[str]) -> dict[str, str]:
        """Map the model's label names to the project's.

        A label of the config takes the names in its `predicted_values` (separated by
        commas) that the model knows; without any it takes its own name, if need be in
        lower case.

        Args:
            tag_name: Name of the control tag that holds the labels.
            names: Label names the model predicts.
        """
        known = list(names)
        known_in_lower_case = {name.lower() for name in known}
        label_map: dict[str, str] = {}
        labels = self.label_interface.get_control(tag_name).labels_attrs or {}
        for label, tag in labels.items():
            given = tag.attr.get("predicted_values", "").split(",")
            predicted = [name for name in map(str.strip, given) if name in known]
            if predicted:
                label_map.update(dict.fromkeys(predicted, label))
            elif label in known:
                label_map[label] = label
            elif label.lower() in known_in_lower_case:
                label_map[label.lower()] = label
        return label_map

    # Task data

    def get_local_path(
        self,
        url: str,
        project_dir: str | None = None,
        ls_host: str | None = None,
        ls_access_token: str | None = None,
        task_id: int | None = None,
        **kwargs: Any,
    ) -> str:
        """Return the path of a file on this machine, fetching it first if need be.

        Args:
            url: An upload, a local-files or storage URI, or an http(s) address.
            project_dir: Folder whose `upload` folder holds uploads, if they are here.
            ls_host: Label Studio's address; LABEL_STUDIO_URL if None.
            ls_access_token: Its token; LABEL_STUDIO_API_KEY if None.
            task_id: Label Studio's task, needed for s3:, gs: and azure-blob: URIs.
            kwargs: `cache_dir`, `image_dir` and `download_resources` of the reference.

        Raises:
            FileNotFoundError: Label Studio's address or token is needed and not set.
            label_studio_ml.files.ForbiddenAddress: It is on the backend's own network.
        """
        from .files import get_local_path

        return get_local_path(
            url,
            project_dir=project_dir,
            hostname=ls_host,
            access_token=ls_access_token or self.get_label_studio_access_token,
            task_id=task_id,
            **kwargs,
        )

    def preload_task_data(
        self, task: dict[str, Any], value: Any = None, read_file: bool = True
    ) -> Any:
        """Replace what names a file by the file's text, in a value of any depth.

        Args:
            task: The task the value is from; its `id` is needed for storage URIs.
            value: A value of `task["data"]`; dicts are changed in place.
            read_file: If false, by the file's local path.
        """
        if isinstance(value, dict):
            for key, item in value.items():
                value[key] = self.preload_task_data(task, item, read_file=read_file)
            return value
        if isinstance(value, list):
            return [
                self.preload_task_data(task, item, read_file=read_file)
                for item in value
            ]
        if isinstance(value, str) and is_preload_needed(value):
            path = self.get_local_path(url=value, task_id=task.get("id"))
            if not read_file:
                return path
            with open(path, "r") as file:  # noqa: PTH123, UP015 - so patched
                return file.read()
        return value

    def get_label_studio_access_token(self) -> str | None:
        """Return a token Label Studio's API accepts now; None if none is configured.

        A personal access token (LABEL_STUDIO_API_KEY) gets a short-lived one.
        """
        client = self._get_label_studio_client()
        if client:
            token: str = client._client_wrapper._tokens_client.api_key
            return token
        return os.getenv("LABEL_STUDIO_API_KEY") or os.getenv(
            "LABEL_STUDIO_ACCESS_TOKEN"
        )

    def _get_label_studio_client(self) -> Any:
        if self._label_studio_client is None:
            base_url = os.getenv("LABEL_STUDIO_URL") or os.getenv("LABEL_STUDIO_HOST")
            try:
                self._label_studio_client = _this().LabelStudio(base_url=base_url)
            except Exception as error:  # noqa: BLE001 - label-studio-sdk raises what it likes
                logger.warning("No Label Studio client for %s: %s", base_url, error)
                self._label_studio_client = False  # tried; asked once only
        return self._label_studio_client

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


def _this() -> Any:
    # Looked up on the module, so that a name made on demand can be patched in tests.
    return sys.modules[__name__]
