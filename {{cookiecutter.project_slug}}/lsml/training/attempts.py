"""Attempts at a run: begun with the claim of the run, closed with its outcome."""

from django.db import transaction
from django.utils import timezone

from lsml.jobs import lease
from lsml.training.models import TrainingAttempt, TrainingRun


def claim_run(run_id: int) -> tuple[TrainingRun, TrainingAttempt] | None:
    """Take a queued run for this worker; None where there is nothing to take."""
    with transaction.atomic():
        run = lease.claim(TrainingRun, run_id, progress=0, metrics={})
        return None if run is None else (run, _begin(run))


def _begin(run: TrainingRun) -> TrainingAttempt:
    return TrainingAttempt.objects.create(
        run=run,
        number=run.attempts,
        fence=run.fence,
        worker=run.lease_owner,
        started_at=run.started_at or timezone.now(),
        # Written down before anything is stored under it, so that whoever cleans up
        # after a killed worker knows where to look.
        artifact_key=f"project-{run.project_id}/run-{run.pk}/{run.fence}.tar",
    )


def end_attempt(attempt: TrainingAttempt, outcome: str, error: str = "") -> None:
    """Write how an attempt ended."""
    attempt.outcome, attempt.error = outcome, error
    attempt.finished_at = timezone.now()
    attempt.save(update_fields=["outcome", "error", "finished_at"])
