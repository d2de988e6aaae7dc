"""Verifications and exports as jobs, because they take too long for a request."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import transaction
from django.http import FileResponse
from django.utils import timezone

from lsml.audit.exports import Order, export
from lsml.audit.formats import FormatMissing
from lsml.audit.job_kind import RecordedJobKind
from lsml.audit.models import AuditEntry, AuditJob
from lsml.audit.services import record_entry
from lsml.audit.verify import rows_to_verify, verify
from lsml.jobs.errors import JobFailed, Overtaken
from lsml.jobs.kinds import Event
from lsml.jobs.outcomes import wake_worker
from lsml.jobs.running import RunningJob, run_job
from lsml.observability.origin import Origin

KEEP_FILES: Final = timedelta(days=7)  # the same export can be made again
_FINDINGS_MAX: Final = 200  # a broken chain may name millions of rows


class FileGone(Exception):
    """There is no file to download."""

    def __init__(self) -> None:
        super().__init__(
            "There is no file: the export has not finished, or its file was removed"
            " after a week. Start a new export."
        )


class AuditKind(RecordedJobKind[AuditJob]):
    """Verifications and exports as a kind of job. The audit log records their end."""

    name = "audit"
    model = AuditJob
    task = "lsml.audit.tasks.run_audit_job"
    noun = "audit job"
    records_end = True

    def verb(self, job: AuditJob, event: Event) -> AuditEntry.Verb:
        """Name the kind of audit job in the verb, such as "verify requested"."""
        return AuditEntry.Verb(f"{job.kind} {event.value}")

    def detail(self, job: AuditJob) -> dict[str, Any]:
        """Return the report, or what was requested if there is none yet."""
        return job.report or {
            "since": job.since and job.since.isoformat(),
            "until": job.until and job.until.isoformat(),
            "format": job.file_format,
            "error": job.error,
        }

    def retry(self, job: AuditJob, *, actor: str, origin: Origin) -> AuditJob:
        """Start the same verification or export again."""
        return _start(
            Event.RETRIED,
            actor,
            origin,
            kind=job.kind,
            since=job.since,
            until=job.until,
            file_format=job.file_format,
        )

    def sweep(self) -> None:
        """Remove the files of old exports."""
        remove_old_files()


kind = AuditKind()


def export_storage() -> Storage:
    """Return the storage of export files: ARTIFACT_STORAGE, below `exports/`."""
    return storages["artifacts"]


def start_verification(
    *, since: datetime | None, actor: str, origin: Origin
) -> AuditJob:
    """Queue a verification of the seals made at or after `since`; None = all."""
    return _start(
        Event.REQUESTED, actor, origin, kind=AuditJob.Kind.VERIFY, since=since
    )


def start_export(
    *, since: datetime, until: datetime, file_format: str, actor: str, origin: Origin
) -> AuditJob:
    """Queue an export of the sealed rows of a time range.

    Args:
        since: The first moment.
        until: The end, exclusive.
        file_format: One of `formats.FORMATS`.
        actor: User name.
        origin: Of the request.
    """
    return _start(
        Event.REQUESTED,
        actor,
        origin,
        kind=AuditJob.Kind.EXPORT,
        since=since,
        until=until,
        file_format=file_format,
    )


def _start(event: Event, actor: str, origin: Origin, **facts: Any) -> AuditJob:
    now = timezone.now()
    with transaction.atomic():
        job = AuditJob.objects.create(
            requested_by=actor[:200], created_at=now, notified_at=now, **facts
        )
        kind.record(job, event, actor=actor, origin=origin)
        wake_worker(job)
    return job


def run_audit_job(job_id: int) -> None:
    """Run a job to its end. A second message finds nothing to claim."""
    run_job(kind, job_id, _work)


def _work(running: RunningJob[AuditJob]) -> dict[str, Any]:
    if running.job.kind == AuditJob.Kind.VERIFY:
        return _verify(running)
    return _export(running)


def _verify(running: RunningJob[AuditJob]) -> dict[str, Any]:
    job = running.job
    job.total = rows_to_verify(job.since)
    found = verify(since=job.since, progress=running.advance)
    return {
        "report": {
            "intact": found.intact,
            "rows": found.rows,
            "seals": found.seals,
            "dropped_rows": found.dropped_rows,
            "unsealed_rows": found.unsealed_rows,
            "facts": found.facts,
            "uncovered_facts": found.uncovered_facts,
            "findings": [str(finding) for finding in found.findings[:_FINDINGS_MAX]],
            "finding_count": len(found.findings),
        }
    }


def _export(running: RunningJob[AuditJob]) -> dict[str, Any]:
    job = running.job
    if job.since is None or job.until is None:
        raise JobFailed("An export needs both ends of its time range.")
    order = Order(job.since, job.until, job.file_format or "jsonl")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export.zip"
        try:
            manifest = export(order=order, path=path, progress=running.advance)
        except FormatMissing as error:
            raise JobFailed(str(error)) from error
        _keep(running, path)
        size = path.stat().st_size
    rows = {name: table.get("rows") for name, table in manifest["tables"].items()}
    return {"report": {"bytes": size, "rows": rows}}


def _keep(running: RunningJob[AuditJob], path: Path) -> None:
    """Store the file under a key that was saved first.

    So `remove_old_files` finds the file of an attempt that was killed or cancelled, and
    no copy of audit rows remains.
    """
    job = running.job
    if job.file_key:  # of an earlier attempt
        export_storage().delete(job.file_key)
    job.file_key = f"exports/{job.pk}-{job.fence}.zip"
    running.save(file_key=job.file_key)
    with path.open("rb") as file:
        export_storage().save(job.file_key, File(file))
    try:
        running.save()
    except Overtaken:  # the next attempt does not know of this file
        export_storage().delete(job.file_key)
        raise


def download(job: AuditJob, *, actor: str, origin: Origin) -> FileResponse:
    """Return a response with the file of an export, and record the download.

    Raises:
        FileGone: The job wrote no file, or it was removed.
    """
    storage = export_storage()
    if not job.file_key or not storage.exists(job.file_key):
        raise FileGone
    record_entry(
        origin=origin,
        at=timezone.now(),
        actor=actor,
        verb=AuditEntry.Verb.EXPORT_DOWNLOADED,
        target=f"audit job {job.pk}",
    )
    return FileResponse(
        storage.open(job.file_key),
        as_attachment=True,
        filename=f"audit-{job.since:%Y%m%d}-{job.until:%Y%m%d}.zip",
        content_type="application/zip",
    )


def remove_old_files() -> None:
    """Remove the files of exports that ended more than KEEP_FILES ago."""
    old = AuditJob.objects.filter(finished_at__lt=timezone.now() - KEEP_FILES)
    for job in old.exclude(file_key=""):
        export_storage().delete(job.file_key)
        AuditJob.objects.filter(pk=job.pk).update(file_key="")
