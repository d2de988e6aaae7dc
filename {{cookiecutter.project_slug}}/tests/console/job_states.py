"""A job of each kind in each state, as workers and people leave it."""

from datetime import timedelta

from django.utils import timezone

from lsml.audit.models import AuditJob
from lsml.inference.models import PredictionJob
from lsml.quality.models import Evaluation
from lsml.training.models import TrainingAttempt, TrainingRun
from tests.console import factory

KINDS = ("training", "prediction", "evaluation", "audit")
STATES = ("queued", "running", "cancelled", "failed", "succeeded")
TOTAL = 150  # tasks, predictions or rows of the other kinds
ERROR = "Label Studio did not answer within 10 s. Check LABEL_STUDIO_URL."

_COLUMNS = {
    "queued": {},
    "running": {"done": 60, "progress": 0.4, "message": "step 2"},
    "cancelled": {
        "done": 60,
        "progress": 0.4,
        "cancel_requested_by": "olga",
        "cancel_reason": "wrong labels",
    },
    "failed": {"done": 60, "progress": 0.4, "error": ERROR},
    "succeeded": {"done": TOTAL, "progress": 1},
}


def job(kind, state, of=None):
    """Create the job, of a new project unless one is given.

    A run has no units, so its progress is a share.
    """
    now = timezone.now()
    started = now - timedelta(seconds=30)
    columns = {"state": state, "requested_by": "olga", **_COLUMNS[state]}
    columns |= {"created_at": started - timedelta(seconds=2)}
    if state != "queued":
        columns |= {"started_at": started, "attempts": 1, "log": "12:00:00 started\n"}
    if state == "running":
        columns |= {"lease_owner": "worker-1:4242", "fence": 1}
        columns |= {"lease_expires_at": now + timedelta(minutes=5)}
    if state == "cancelled":
        columns |= {"cancel_requested_at": now - timedelta(seconds=5)}
    if state in {"cancelled", "failed", "succeeded"}:
        columns |= {"finished_at": now}
    return _CREATE[kind](columns, of)


def _run(columns, of):
    columns = {name: value for name, value in columns.items() if name != "done"}
    run = TrainingRun.objects.create(
        project=of or factory.project(), trigger="person", **columns
    )
    if run.started_at:
        TrainingAttempt.objects.create(
            run=run, number=1, fence=1, worker="worker-1:4242", outcome=run.state,
            started_at=run.started_at, finished_at=run.finished_at, error=run.error,
        )  # fmt: skip
    if run.state == "succeeded":
        run.version = factory.version(run.project)
        run.metrics = {"accuracy": 0.83}
        run.save()
    return run


def _prediction(columns, of):
    if of is None:
        of = factory.project()
        factory.known(of, timezone.now())
    columns |= {"total": TOTAL, "model_version": "v1"}
    return PredictionJob.objects.create(project=of, **columns)


def _evaluation(columns, of):
    made = factory.version(of or factory.project(), held_out_tasks=75)
    columns |= {"total": TOTAL}
    if columns["state"] == "succeeded":
        return factory.evaluation(made, **columns)
    return Evaluation.objects.create(project=made.project, version=made, **columns)


def _verification(columns, of):
    report = {
        "intact": True, "rows": TOTAL, "seals": 3, "dropped_rows": 0,
        "unsealed_rows": 7, "findings": [], "finding_count": 0,
    }  # fmt: skip
    if columns["state"] == "succeeded":
        columns |= {"report": report}
    return AuditJob.objects.create(kind="verify", total=TOTAL, **columns)


_CREATE = {
    "training": _run,
    "prediction": _prediction,
    "evaluation": _evaluation,
    "audit": _verification,
}
