"""The tables of the audit log.

Append-only rows (`rows`), their seals (`seals`), counts per hour (`hours`) and
verifications and exports as jobs (`jobs`).
"""

from lsml.audit.models.hours import EventHour, PredictionHour
from lsml.audit.models.jobs import AuditJob
from lsml.audit.models.rows import (
    AuditEntry,
    AuditQuerySet,
    AuditRow,
    Prediction,
    PredictionQuerySet,
    WebhookEvent,
)
from lsml.audit.models.seals import DroppedPartition, Seal

__all__ = [
    "AuditEntry",
    "AuditJob",
    "AuditQuerySet",
    "AuditRow",
    "DroppedPartition",
    "EventHour",
    "Prediction",
    "PredictionHour",
    "PredictionQuerySet",
    "Seal",
    "WebhookEvent",
]
