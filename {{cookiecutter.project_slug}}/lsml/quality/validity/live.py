"""Checks live answers after they were sent: docs/adr/0041-live-answers-are-sampled.md.

A web process never does this: it would make `/predict` slower, and label-studio-sdk
takes memory.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from lsml.audit.models import AuditEntry, Prediction
from lsml.audit.newest import NewRows, newest_predictions
from lsml.jobs.errors import storable
from lsml.labelstudio.errors import WireError
from lsml.labelstudio.validation import PredictionValidator, import_sdk
from lsml.quality.validity.models import AnswerCheck, AnswerCheckPosition
from lsml.registry.models import Project

log = structlog.get_logger(__name__)

# What one round may take. The answers beyond it are not checked later: the counts are
# of a sample.
ANSWERS_MAX: Final = 1_000
SECONDS_MAX: Final = 2.0
_ROWS_AT_ONCE: Final = 20  # of the answers in memory; one may have megabytes
_REASON_CHARS_MAX: Final = 500
_POSITION: Final = 1  # the key of the one row

_Key = tuple[int, str]  # project, version


def check_new_answers() -> None:
    """Check a sample of the answers that were sealed since the last call.

    Each seal is looked at once, whatever is interrupted or runs twice.
    """
    position, _ = AnswerCheckPosition.objects.get_or_create(pk=_POSITION)
    new = newest_predictions(position.seal_number)
    if new is None:
        return
    found = _check(_sample(new))
    with transaction.atomic():
        unchanged = AnswerCheckPosition.objects.filter(
            pk=_POSITION, seal_number=position.seal_number
        )
        if unchanged.update(seal_number=new.position):
            _add(found, timezone.now())
        # Else another worker has counted these answers meanwhile.


def _sample(new: NewRows) -> list[int]:
    """Return the keys of the answers to check, the newest of each version first.

    Only what Label Studio stores: it never stores an interactive answer, and a job
    checks its own.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM (SELECT id, row_number() OVER"
            " (PARTITION BY project_pk, model_version ORDER BY id DESC) AS place"
            " FROM audit_prediction"
            f" WHERE {new.condition}"
            " AND kind = 'batch' AND outcome = 'ok' AND project_pk IS NOT NULL) ranked"
            " ORDER BY place, id LIMIT %s",
            [ANSWERS_MAX],
        )
        return [key for (key,) in cursor]


@dataclass(slots=True)
class _Found:
    """What a round found out about the answers of a version."""

    checked: int = 0
    invalid: int = 0
    example: Prediction | None = None  # the last invalid answer
    reason: str = ""


def _check(keys: list[int]) -> dict[_Key, _Found]:
    found: dict[_Key, _Found] = {}
    configs = _Configs()
    import_sdk()  # once per process, so it does not count
    until = time.monotonic() + SECONDS_MAX
    for answer in _answers(keys):
        if time.monotonic() > until:
            break
        validator = configs.validator_for(answer)
        if validator is None:
            continue
        each = found.setdefault(
            (answer.project_pk or 0, answer.model_version), _Found()
        )
        each.checked += 1
        reason = validator.problem({"score": answer.score, "result": answer.result})
        if reason:
            each.invalid += 1
            if each.example is None or answer.pk > each.example.pk:
                each.example, each.reason = answer, reason
    return found


def _answers(keys: list[int]) -> Iterator[Prediction]:
    for start in range(0, len(keys), _ROWS_AT_ONCE):
        some = keys[start : start + _ROWS_AT_ONCE]
        rows = Prediction.objects.filter(pk__in=some)
        yield from rows.only(
            "project_pk", "model_version", "created_at", "task_id", "score", "result"
        )


class _Configs:
    """The label configs of this round, each read once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[PredictionValidator, datetime | None] | None] = {}

    def validator_for(self, answer: Prediction) -> PredictionValidator | None:
        """Return what checks an answer; None if it must not be judged.

        An answer from before the last change of the label config was given for another
        one. A config that cannot be read is not the version's fault.
        """
        project_pk = answer.project_pk or 0
        if project_pk not in self._known:
            self._known[project_pk] = _read_config(project_pk)
        known = self._known[project_pk]
        if known is None:
            return None
        validator, changed_at = known
        return None if changed_at and answer.created_at < changed_at else validator


def _read_config(project_pk: int) -> tuple[PredictionValidator, datetime | None] | None:
    project = Project.objects.filter(pk=project_pk).first()
    if project is None or not project.label_config:
        return None
    # Read after the config: if it changes in between, answers for the old one are left.
    changed_at = AuditEntry.objects.filter(
        project_pk=project_pk, verb=AuditEntry.Verb.LABEL_CONFIG_CHANGED
    ).aggregate(at=Max("at"))["at"]
    try:
        return PredictionValidator(project.label_config), changed_at
    except WireError as error:
        log.info("answers are not checked", project=project_pk, reason=str(error))
        return None


def _add(found: dict[_Key, _Found], now: datetime) -> None:
    """Add counts, inside the transaction that moves the position."""
    for (project_pk, version), each in found.items():
        row, _ = AnswerCheck.objects.get_or_create(
            project_id=project_pk,
            model_version=version,
            defaults={"first_checked_at": now, "last_checked_at": now},
        )
        row.checked += each.checked
        row.invalid += each.invalid
        row.last_checked_at = now
        if each.example is not None:
            row.last_invalid_at = now
            row.example_prediction_id = each.example.pk
            row.example_task_id = each.example.task_id
            row.example_reason = storable(each.reason)[:_REASON_CHARS_MAX]
        row.save()
