"""One admin class per table; Django finds them here."""

from lsml.console.admin import (
    audit,
    dataset,
    errands,
    inference,
    people,
    registry,
    seals,
    training,
)

__all__ = [
    "audit",
    "dataset",
    "errands",
    "inference",
    "people",
    "registry",
    "seals",
    "training",
]
