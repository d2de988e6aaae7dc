"""Runs errands: verify the seal chain, export the audit trail. Called by the worker."""

import tempfile
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from django.core.files import File
from django.db import DatabaseError, transaction
from django.utils import timezone

from lsml.audit.exports import Order, export
from lsml.audit.formats import FormatMissing
from lsml.audit.services import Origin, record_action
from lsml.audit.verify import rows_to_verify, verify
from lsml.console.models import Errand
from lsml.registry.artifacts import artifact_storage
from lsml.training.doorbell import ring

log = structlog.get_logger(__name__)
KEEP_FILES: Final = timedelta(days=7)  # an export can be made again
LOST_AFTER: Final = timedelta(hours=6)  # a worker that died leaves its errand so
SEND_AGAIN_AFTER: Final = timedelta(seconds=30)
RUN: Final = "lsml.console.tasks.run_errand"
_FINDINGS_MAX: Final = 200  # a broken chain may name millions of rows
_TELL_EVERY_S: Final = 1.0


def ask(
    *,
    kind: str,
    by: str,
    origin: Origin,
    since: datetime | None = None,
    until: datetime | None = None,
    file_format: str = "",
) -> Errand:
    """Write an errand down, and that it was asked for."""
    now = timezone.now()
    with transaction.atomic():
        errand = Errand.objects.create(
            kind=kind,
            asked_by=by,
            since=since,
            until=until,
            file_format=file_format,
            created_at=now,
        )
        record_action(
            origin=origin,
            at=now,
            actor=by,
            verb=f"{kind} asked for",
            target=f"errand {errand.pk}",
            detail={
                "since": since and since.isoformat(),
                "until": until and until.isoformat(),
                "format": file_format,
            },
        )
        # Named by text: a service knows no Celery task.
        transaction.on_commit(partial(ring, RUN, errand.pk))
    return errand


def sweep() -> None:
    """Send again what waits for a worker; end what a dead worker left."""
    now = timezone.now()
    waiting = Errand.objects.filter(
        state=Errand.State.QUEUED, created_at__lt=now - SEND_AGAIN_AFTER
    )
    for pk in waiting.values_list("pk", flat=True):
        ring(RUN, pk, expires=SEND_AGAIN_AFTER.total_seconds())
    lost = Errand.objects.filter(
        state=Errand.State.RUNNING, started_at__lt=now - LOST_AFTER
    )
    for errand in lost:
        _finish(errand, state=Errand.State.FAILED, error="Its worker fell silent.")


def run(errand_id: int) -> None:
    """Carry an errand to its end; a second delivery finds nothing to claim."""
    claimed = Errand.objects.filter(pk=errand_id, state=Errand.State.QUEUED).update(
        state=Errand.State.RUNNING, started_at=timezone.now()
    )
    if not claimed:
        return
    errand = Errand.objects.get(pk=errand_id)
    try:
        report, key = (_verify if errand.kind == Errand.Kind.VERIFY else _export)(
            errand
        )
    except (DatabaseError, OSError, FormatMissing) as error:
        log.warning("errand failed", errand=errand_id, error=str(error))
        _finish(errand, state=Errand.State.FAILED, error=str(error)[:1000])
        return
    _finish(errand, state=Errand.State.SUCCEEDED, report=report, file_key=key)
    _remove_old_files()


def _finish(errand: Errand, **facts: Any) -> None:
    now = timezone.now()
    with transaction.atomic():
        Errand.objects.filter(pk=errand.pk).update(finished_at=now, **facts)
        record_action(
            origin=Origin(request_id=f"errand-{errand.pk:08}", client="worker"),
            at=now,
            actor="worker",
            verb=f"{errand.kind} {facts['state']}",
            target=f"errand {errand.pk}",
            detail=facts.get("report") or {"error": facts.get("error", "")},
        )


class _Teller:
    """Writes how many rows are done, now and then."""

    def __init__(self, errand: Errand) -> None:
        self._pk, self._done, self._told_at = errand.pk, 0, 0.0

    def __call__(self, rows: int) -> None:
        self._done += rows
        if time.monotonic() - self._told_at > _TELL_EVERY_S:
            self._told_at = time.monotonic()
            Errand.objects.filter(pk=self._pk).update(done=self._done)


def _verify(errand: Errand) -> tuple[dict[str, Any], str]:
    Errand.objects.filter(pk=errand.pk).update(total=rows_to_verify(errand.since))
    found = verify(since=errand.since, progress=_Teller(errand))
    return {
        "intact": found.intact,
        "rows": found.rows,
        "seals": found.seals,
        "dropped_rows": found.dropped_rows,
        "unsealed_rows": found.unsealed_rows,
        "findings": [str(finding) for finding in found.findings[:_FINDINGS_MAX]],
        "finding_count": len(found.findings),
    }, ""


def _export(errand: Errand) -> tuple[dict[str, Any], str]:
    if errand.since is None or errand.until is None:
        raise OSError("An export needs both ends of its time range.")
    order = Order(errand.since, errand.until, errand.file_format or "jsonl")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        manifest = export(order=order, path=path, progress=_Teller(errand))
        with path.open("rb") as file:
            key = artifact_storage().save(f"exports/{errand.pk}.zip", File(file))
        size = path.stat().st_size
    rows = {name: table.get("rows") for name, table in manifest["tables"].items()}
    return {"bytes": size, "rows": rows}, key


def _remove_old_files() -> None:
    old = Errand.objects.filter(finished_at__lt=timezone.now() - KEEP_FILES)
    for errand in old.exclude(file_key=""):
        artifact_storage().delete(errand.file_key)
        Errand.objects.filter(pk=errand.pk).update(file_key="")
