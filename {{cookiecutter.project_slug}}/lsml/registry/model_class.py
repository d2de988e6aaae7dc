"""Finds the user's model class, for inference, training and `/health`."""

from functools import cache
from importlib import import_module

from django.conf import settings
from django.utils.module_loading import import_string

from label_studio_ml.hosting import ModelClass, model_classes


class ModelClassError(Exception):
    """There is no model to serve. The message says what to do."""


@cache
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
