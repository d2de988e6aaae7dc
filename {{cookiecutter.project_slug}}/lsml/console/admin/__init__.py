"""One admin class per table; Django finds them here."""

from lsml.console.admin import (
    audit,
    audit_jobs,
    dataset,
    inference,
    quality,
    registry,
    seals,
    training,
    users,
)

__all__ = [
    "audit",
    "audit_jobs",
    "dataset",
    "inference",
    "quality",
    "registry",
    "seals",
    "training",
    "users",
]
