"""One admin class per table; Django finds them here."""

from lsml.console.admin import audit, dataset, inference, people, registry, training

__all__ = ["audit", "dataset", "inference", "people", "registry", "training"]
