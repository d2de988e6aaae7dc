"""Lets a service host a model: finds its class, creates it, reports its methods."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from . import model as sdk
from .model import LabelStudioMLBase
from .shared import forget_shared as forget_shared  # noqa: PLC0414 - offered here
from .shared import shared_by
from .state import Store, bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

ModelClass = type[LabelStudioMLBase]

_one_at_a_time = threading.RLock()  # all threads share the process's environment


def model_classes(module: ModuleType) -> list[ModelClass]:
    """Return the most derived subclasses of `LabelStudioMLBase` in a module.

    Classes that the module imports are returned only if it defines none. A module
    without a class that registers `predict_fn` or `update_fn` gives the base class.
    """
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, LabelStudioMLBase) and member is not LabelStudioMLBase
    ]
    parents = {base for each in found for base in each.__mro__[1:]}
    leaves = [each for each in dict.fromkeys(found) if each not in parents]
    own = [each for each in leaves if each.__module__ == module.__name__]
    if not leaves and (sdk._predict_fn or sdk._update_fn):
        return [LabelStudioMLBase]
    return own or leaves


def make_model(
    model_class: ModelClass, *, store: Store, project_id: str, label_config: str | None
) -> LabelStudioMLBase:
    """Create a model as the reference does, with its state in `store`.

    This also works if `__init__` takes neither argument, or passes neither on.

    Args:
        model_class: The user's class.
        store: State of the project.
        project_id: Label Studio's id, without the creation stamp.
        label_config: The project's labelling configuration (XML).
    """
    arguments = {"project_id": project_id, "label_config": label_config}
    with bound(store, project_id=project_id, label_config=label_config):
        return model_class(**_accepted(model_class, arguments))


def load_version(
    model_class: ModelClass,
    *,
    store: Store,
    project_id: str,
    label_config: str | None,
    artifacts: Path | None,
    empty_dir: Path,
    trained: bool,
) -> LabelStudioMLBase:
    """Create the model of one version and load what its training wrote.

    Args:
        model_class: The user's class.
        store: State of the project.
        project_id: Label Studio's id, without the creation stamp.
        label_config: The project's labelling configuration (XML).
        artifacts: Folder that the training wrote to; None if it wrote nothing.
        empty_dir: MODEL_DIR of a legacy model without files; created if needed.
        trained: Whether this version was trained. A legacy model keeps what it learned
            in globals, so each trained version gets its own module. The untrained
            version gets one too, to find its MODEL_DIR, unless the operator sets it.
    """
    if offers_load_shared(model_class):
        shared_by(model_class)  # now, so that the first prediction does not wait for it
    if learns_by_fit(model_class) and artifacts is None:
        empty_dir.mkdir(parents=True, exist_ok=True)
    needs_module = trained or not os.environ.get("MODEL_DIR")
    own_module = (
        run_anew(model_class, model_dir=artifacts or empty_dir)
        if needs_module and learns_by_fit(model_class)
        else nullcontext(model_class)
    )
    with own_module as kind:
        model = make_model(
            kind, store=store, project_id=project_id, label_config=label_config
        )
    if artifacts is not None and offers_load(kind):
        model.load(artifacts)
    return model


def reads_artifacts(model_class: ModelClass) -> bool:
    """Return whether loading a trained version needs the files of its training."""
    return offers_load(model_class) or learns_by_fit(model_class)


@contextmanager
def run_anew(
    model_class: ModelClass, *, model_dir: Path | None
) -> Iterator[ModelClass]:
    """Run the module of a legacy model again, as a separate module for one version.

    Such models load into a global of their module, and read MODEL_DIR when they are
    imported or in `setup()`. If one process serves several versions, each needs its own
    module and its own MODEL_DIR with the files that its `fit` wrote.

    Args:
        model_class: The class as first imported.
        model_dir: MODEL_DIR inside the block. The operator's own setting has priority.

    Yields:
        The class of the same name in the new module. Create the model inside the block.
    """
    with _one_at_a_time:
        ours = model_dir is not None and not os.environ.get("MODEL_DIR")
        if ours:
            os.environ["MODEL_DIR"] = str(model_dir)
        try:
            yield _anew(model_class)
        finally:
            if ours:
                del os.environ["MODEL_DIR"]


def _anew(model_class: ModelClass) -> ModelClass:
    name = model_class.__module__
    spec = getattr(sys.modules[name], "__spec__", None)
    if model_class is LabelStudioMLBase or spec is None or spec.loader is None:
        return model_class
    module = importlib.util.module_from_spec(spec)
    before, sys.modules[name] = sys.modules[name], module  # pickle looks there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules[name] = before
        raise
    found: ModelClass = getattr(module, model_class.__qualname__)
    return found


def learns_by_fit(model_class: ModelClass) -> bool:
    """Return whether the class learns event by event, as with the reference SDK."""
    return offers_fit(model_class) and not offers_train(model_class)


def offers_train(model_class: ModelClass) -> bool:
    """Return whether the class overrides `train(dataset, run)`.

    A legacy class may have an unrelated method of that name with other parameters.
    """
    return _parameters(model_class, "train")[:2] == ["dataset", "run"]


def offers_fit(model_class: ModelClass) -> bool:
    """Return whether the class or a registered function learns from events."""
    return model_class.fit is not LabelStudioMLBase.fit or sdk._update_fn is not None


def offers_load(model_class: ModelClass) -> bool:
    """Return whether the class overrides `load(artifacts)`."""
    return _parameters(model_class, "load")[:1] == ["artifacts"]


def offers_load_shared(model_class: ModelClass) -> bool:
    """Return whether the class overrides the class method `load_shared()`."""
    own = inspect.getattr_static(model_class, "load_shared")
    inherited = inspect.getattr_static(LabelStudioMLBase, "load_shared")
    return own is not inherited and isinstance(own, classmethod)


def offers_prefetch(model_class: ModelClass) -> bool:
    """Return whether the class overrides `prefetch(task)`."""
    return _parameters(model_class, "prefetch")[:1] == ["task"]


def offers_embed(model_class: ModelClass) -> bool:
    """Return whether the class overrides `embed(tasks)`.

    An older class may have an unrelated helper of that name with other parameters.
    """
    return _parameters(model_class, "embed")[:1] == ["tasks"]


def batch_size_of(model_class: ModelClass) -> int:
    """Return the class's `batch_size`; 1 if that is not a positive whole number.

    An instance's own `batch_size` does not count: models for the reference SDK set
    `self.batch_size` to the batch size of their training.
    """
    size = getattr(model_class, "batch_size", 1)
    return size if isinstance(size, int) and size > 0 else 1


def fit_calls(
    model_class: ModelClass, action: str, payload: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the (event, data) pairs to call `fit` with for one webhook.

    Predictions accepted in bulk (`ANNOTATIONS_CREATED`) reach a legacy `fit` one by one
    as `ANNOTATION_CREATED`, unless the class lists the bulk event in `TRAIN_EVENTS`.
    Events that are not in `TRAIN_EVENTS` yield nothing.

    Args:
        model_class: The user's class.
        action: The webhook's `action`.
        payload: The webhook's body.
    """
    data = {key: value for key, value in payload.items() if key != "action"}
    if action in model_class.TRAIN_EVENTS:
        yield action, data
    elif (
        action == "ANNOTATIONS_CREATED"
        and "ANNOTATION_CREATED" in model_class.TRAIN_EVENTS
    ):
        tasks = {str(task.get("id")): task for task in _objects(data.get("task"))}
        for annotation in _objects(data.get("annotation")):
            task = tasks.get(str(annotation.get("task")), {})
            yield "ANNOTATION_CREATED", {**data, "annotation": annotation, "task": task}


def _objects(value: object) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, dict)]


def _accepted(model_class: ModelClass, arguments: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(model_class.__init__).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return arguments
    names = {each.name for each in parameters}
    return {name: value for name, value in arguments.items() if name in names}


def _parameters(model_class: ModelClass, method: str) -> list[str]:
    function = getattr(model_class, method)
    if function is getattr(LabelStudioMLBase, method) or not callable(function):
        return []
    return [name for name in inspect.signature(function).parameters if name != "self"]
