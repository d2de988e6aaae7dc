"""Removes predictions from Label Studio: of this version, or of older ones."""

import time
from functools import partial

from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.inference.models import PredictionJob
from lsml.jobs.outcomes import job_origin
from lsml.jobs.running import RunningJob
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.failures import OutcomeUnknown
from lsml.labelstudio.stored_predictions import StoredPredictions
from lsml.registry.models import INITIAL_VERSION, Project
from lsml.registry.served import served

# Label Studio removes predictions one by one, in one transaction. So their number says
# nothing about its progress.
_LONGEST_REMOVAL_S = 3_600
_POLL_S = 5.0


def served_now(project: Project) -> str:
    """Return the version that the project serves now."""
    found = served(project.key)
    return found.version if found else INITIAL_VERSION


def remove_version(
    running: RunningJob[PredictionJob], studio: LabelStudio, version: str, *, then: str
) -> int:
    """Remove the predictions of a version, and return how many there were.

    It is recorded before it is done. The project in Label Studio goes on showing what
    it showed, or `then` if that was this version.
    """
    job = running.job
    project_id = job.project.labelstudio_id
    count = studio.prediction_versions(project_id).get(version, 0)
    shown = str(studio.project(project_id).get("model_version") or "")
    job.shown_version = then if shown == version else shown or job.shown_version
    running.save(
        also=partial(_record, job, version, count), shown_version=job.shown_version
    )
    try:
        removed = studio.delete_predictions(project_id, version)
    except OutcomeUnknown as error:
        running.log(f"{error} Asking whether predictions of {version} are left.")
        _wait_until_removed(running, studio, version, error)
        removed = count
    running.log(f"{removed} predictions of {version} were removed.")
    restore_shown_version(job, studio)
    return removed


def _wait_until_removed(
    running: RunningJob[PredictionJob],
    studio: LabelStudio,
    version: str,
    error: OutcomeUnknown,
) -> None:
    """Wait for the end of a removal that gave no answer, as it may still go on."""
    deadline = time.monotonic() + _LONGEST_REMOVAL_S
    while version in studio.prediction_versions(running.job.project.labelstudio_id):
        if time.monotonic() > deadline:
            raise error
        running.save()  # ends here if the job was cancelled
        time.sleep(_POLL_S)


def restore_shown_version(job: PredictionJob, studio: LabelStudio) -> None:
    """Select again what Label Studio deselected, also during an interrupted job.

    Label Studio refuses a version without predictions. So if the predictions of the
    selected version are replaced, this succeeds when the first new ones are stored.
    """
    project_id = job.project.labelstudio_id
    jobs = PredictionJob.objects.filter(project=job.project).exclude(shown_version="")
    for each in jobs.order_by("pk"):
        if not studio.project(project_id).get("model_version"):
            if not _can_be_shown(studio, project_id, each.shown_version):
                continue
            studio.change_project(project_id, {"model_version": each.shown_version})
        jobs.filter(pk=each.pk).update(shown_version="")
        if each == job:
            job.shown_version = ""


def _can_be_shown(studio: LabelStudio, project_id: int, name: str) -> bool:
    return name in studio.prediction_versions(project_id) or any(
        backend.get("title") == name for backend in studio.backends(project_id)
    )


def remove_older_versions(
    running: RunningJob[PredictionJob], studio: LabelStudio
) -> None:
    """Remove predictions of this project's versions from before the served one.

    Predictions of a version are kept if a task has one of these and none of the served
    version. Those of versions that this service did not make are never removed.
    """
    job = running.job
    project_id = job.project.labelstudio_id
    stored = StoredPredictions(studio, project_id)
    numbers = dict(job.project.versions.values_list("version", "number"))
    numbers[INITIAL_VERSION] = 0
    kept = []
    for version in studio.prediction_versions(project_id):
        newest = served_now(job.project)  # each time: a removal may take minutes
        if version not in numbers or numbers[version] >= numbers[newest]:
            continue
        if stored.is_needed(version, beside=newest):
            kept.append(version)
        else:
            job.removed += remove_version(running, studio, version, then=newest)
            running.save(removed=job.removed)
    if kept:
        job.message = (
            f"Predictions of {', '.join(kept)} were kept, because some tasks have these"
            " but none of the served version."
        )[:500]
        running.log(job.message)


def _record(job: PredictionJob, version: str, count: int) -> None:
    record_entry(
        origin=job_origin(job),
        at=timezone.now(),
        actor="worker",
        verb=AuditEntry.Verb.PREDICTIONS_REMOVED,
        target=f"version {version}",
        project_pk=job.project_id,
        detail={"prediction_job": job.pk, "predictions": count},
    )
