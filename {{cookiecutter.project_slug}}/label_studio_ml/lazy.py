"""Names of `label_studio_ml.model` that are slow to import, imported on first use.

label-studio-sdk takes 1.6 s and pydantic 0.2 s. A web or training process that does not
use them must not wait for them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

ON_DEMAND = {
    "LabelInterface": "label_studio_sdk.label_interface",
    "LabelStudio": "label_studio_sdk",
    "ModelResponse": "label_studio_ml.response",
    "CACHE": "label_studio_ml.cache",
}


def load(name: str) -> Any:
    """Import one of the names, for the module's `__getattr__`."""
    if name not in ON_DEMAND:
        raise AttributeError(
            f"module 'label_studio_ml.model' has no attribute {name!r}"
        )
    return getattr(import_module(ON_DEMAND[name]), name)


def on_demand() -> Any:
    """Return the module that has the names. Tests of models patch them there."""
    return sys.modules["label_studio_ml.model"]
