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
from lsml.audit.services import Origin, record_entry
from lsml.audit.verify import rows_to_verify, verify
from lsml.console.models import AuditJob
from lsml.jobs.notify import notify
from lsml.registry.artifacts import artifact_storage

log = structlog.get_logger(__name__)
KEEP_FILES: Final = timedelta(days=7)  # an export can be made again
LOST_AFTER: Final = timedelta(hours=6)  # a worker that died leaves its errand so
SEND_AGAIN_AFTER: Final = timedelta(seconds=30)
RUN: Final = "lsml.console.tasks.run_audit_job"
_FINDINGS_MAX: Final = 200  # a broken chain may name millions of rows
_TELL_EVERY_S: Final = 1.0


def ask(
    *,
    kind: str,
    actor: str,
    origin: Origin,
    since: datetime | None = None,
    until: datetime | None = None,
    file_format: str = "",
) -> AuditJob:
    """Write an errand down, and that it was asked for."""
    now = timezone.now()
    with transaction.atomic():
        job = AuditJob.objects.create(
            kind=kind,
            requested_by=actor,
            since=since,
            until=until,
            file_format=file_format,
            created_at=now,
        )
        record_entry(
            origin=origin,
            at=now,
            actor=actor,
            verb=f"{kind} asked for",
            target=f"errand {job.pk}",
            detail={
                "since": since and since.isoformat(),
                "until": until and until.isoformat(),
                "format": file_format,
            },
        )
        # Named by text: a service knows no Celery task.
        transaction.on_commit(partial(notify, RUN, job.pk))
    return job


def sweep() -> None:
    """Send again what waits for a worker; end what a dead worker left."""
    now = timezone.now()
    waiting = AuditJob.objects.filter(
        state=AuditJob.State.QUEUED, created_at__lt=now - SEND_AGAIN_AFTER
    )
    for pk in waiting.values_list("pk", flat=True):
        notify(RUN, pk, expires=SEND_AGAIN_AFTER.total_seconds())
    lost = AuditJob.objects.filter(
        state=AuditJob.State.RUNNING, started_at__lt=now - LOST_AFTER
    )
    for job in lost:
        _finish(job, state=AuditJob.State.FAILED, error="Its worker fell silent.")


def run(job_id: int) -> None:
    """Carry an errand to its end; a second delivery finds nothing to claim."""
    claimed = AuditJob.objects.filter(pk=job_id, state=AuditJob.State.QUEUED).update(
        state=AuditJob.State.RUNNING, started_at=timezone.now()
    )
    if not claimed:
        return
    job = AuditJob.objects.get(pk=job_id)
    try:
        report, key = (_verify if job.kind == AuditJob.Kind.VERIFY else _export)(job)
    except (DatabaseError, OSError, FormatMissing) as error:
        log.warning("errand failed", job=job_id, error=str(error))
        _finish(job, state=AuditJob.State.FAILED, error=str(error)[:1000])
        return
    _finish(job, state=AuditJob.State.SUCCEEDED, report=report, file_key=key)
    _remove_old_files()


def _finish(job: AuditJob, **facts: Any) -> None:
    now = timezone.now()
    with transaction.atomic():
        AuditJob.objects.filter(pk=job.pk).update(finished_at=now, **facts)
        record_entry(
            origin=Origin(request_id=f"errand-{job.pk:08}", client="worker"),
            at=now,
            actor="worker",
            verb=f"{job.kind} {facts['state']}",
            target=f"errand {job.pk}",
            detail=facts.get("report") or {"error": facts.get("error", "")},
        )


class _Teller:
    """Writes how many rows are done, now and then."""

    def __init__(self, job: AuditJob) -> None:
        self._pk, self._done, self._told_at = job.pk, 0, 0.0

    def __call__(self, rows: int) -> None:
        self._done += rows
        if time.monotonic() - self._told_at > _TELL_EVERY_S:
            self._told_at = time.monotonic()
            AuditJob.objects.filter(pk=self._pk).update(done=self._done)


def _verify(job: AuditJob) -> tuple[dict[str, Any], str]:
    AuditJob.objects.filter(pk=job.pk).update(total=rows_to_verify(job.since))
    found = verify(since=job.since, progress=_Teller(job))
    return {
        "intact": found.intact,
        "rows": found.rows,
        "seals": found.seals,
        "dropped_rows": found.dropped_rows,
        "unsealed_rows": found.unsealed_rows,
        "findings": [str(finding) for finding in found.findings[:_FINDINGS_MAX]],
        "finding_count": len(found.findings),
    }, ""


def _export(job: AuditJob) -> tuple[dict[str, Any], str]:
    if job.since is None or job.until is None:
        raise OSError("An export needs both ends of its time range.")
    order = Order(job.since, job.until, job.file_format or "jsonl")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        manifest = export(order=order, path=path, progress=_Teller(job))
        with path.open("rb") as file:
            key = artifact_storage().save(f"exports/{job.pk}.zip", File(file))
        size = path.stat().st_size
    rows = {name: table.get("rows") for name, table in manifest["tables"].items()}
    return {"bytes": size, "rows": rows}, key


def _remove_old_files() -> None:
    old = AuditJob.objects.filter(finished_at__lt=timezone.now() - KEEP_FILES)
    for job in old.exclude(file_key=""):
        artifact_storage().delete(job.file_key)
        AuditJob.objects.filter(pk=job.pk).update(file_key="")
