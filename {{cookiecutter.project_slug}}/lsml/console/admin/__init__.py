"""One admin class per table; Django finds them here."""

from lsml.console.admin import (
    alarms,
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
    "alarms",
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
