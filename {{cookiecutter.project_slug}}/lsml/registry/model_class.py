"""Finds the user's model class, for inference, training and `/health`."""

import functools
from dataclasses import dataclass
from importlib import import_module

from django.conf import settings
from django.core.cache import cache
from django.utils.module_loading import import_string

from label_studio_ml.hosting import (
    ModelClass,
    model_classes,
    offers_embed,
    offers_fit,
    offers_train,
)
from lsml.model_process import client
from lsml.model_process.errors import ModelProcessUnavailable, NoAnswerInTime

_HEALTH_TIMEOUT_S = 0.3
_FRESH, _LAST_KNOWN = "model_name:fresh", "model_name:last_known"
_FRESH_S = 60


class ModelClassError(Exception):
    """There is no model to serve. The message says what to do."""


@functools.cache
def model_class() -> ModelClass:
    """Return the class MODEL_CLASS names, by default the only subclass in `model.py`.

    Raises:
        ModelClassError: there are none or several.
        Exception: any error that importing the user's module raises.
    """
    if settings.MODEL_CLASS:
        return _named(settings.MODEL_CLASS)
    found = model_classes(import_module("model"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"model.{each.__name__}" for each in found)
    raise ModelClassError(
        f"model.py has {len(found)} model classes ({names}): set MODEL_CLASS to one."
        if found
        else "model.py has no subclass of LabelStudioMLBase: write one there."
    )


def _named(path: str) -> ModelClass:
    try:
        found: ModelClass = import_string(path)
    except ImportError as error:
        raise ModelClassError(
            f"MODEL_CLASS={path} cannot be imported: {error}"
        ) from error
    return found


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What others than the process with the model need to know of its class."""

    name: str
    learns: bool  # it has `train` or `fit`
    embeds: bool  # it has `embed`


def describe_here() -> ModelDescription:
    """Import the model class and describe it.

    Raises:
        ModelClassError: There is no model to serve.
        Exception: Any error that importing the user's module raises.
    """
    kind = model_class()
    return ModelDescription(
        kind.__name__,
        learns=offers_train(kind) or offers_fit(kind),
        embeds=offers_embed(kind),
    )


def describe_model(*, timeout_s: float = 5.0) -> ModelDescription:
    """Describe the model class. Under MODEL_PLACEMENT=process, ask the model process.

    Web, worker and beat then need none of the model's libraries.

    Raises:
        ModelProcessUnavailable, NoAnswerInTime: The model process does not answer.
        ModelClassError: There is no model to serve, or it cannot be imported there.
        Exception: Any error that importing the user's module here raises.
    """
    if settings.MODEL_PLACEMENT != "process":
        return describe_here()
    answer = client.call("GET", "/describe", timeout_s=timeout_s)
    if error := answer.get("error"):
        raise ModelClassError(error)
    return ModelDescription(**answer)


def model_name() -> str:
    """Return the name of the model class, for `/health`.

    The model process may be busy or starting, and Label Studio waits 1 s. Then the last
    known name is returned.

    Raises:
        Exception: As for `describe_model`.
    """
    if settings.MODEL_PLACEMENT != "process":
        return describe_here().name
    name: str | None = cache.get(_FRESH)
    if name is None:
        try:
            name = describe_model(timeout_s=_HEALTH_TIMEOUT_S).name
        except (ModelProcessUnavailable, NoAnswerInTime):
            configured = settings.MODEL_CLASS.rpartition(".")[2]
            return str(cache.get(_LAST_KNOWN, configured or "unknown"))
        cache.set(_FRESH, name, timeout=_FRESH_S)
        cache.set(_LAST_KNOWN, name, timeout=None)
    return name
