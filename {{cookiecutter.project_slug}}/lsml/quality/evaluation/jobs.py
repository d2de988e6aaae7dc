"""Evaluations as a kind of job, and how one is started."""

from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from lsml.audit.job_kind import RecordedJobKind
from lsml.audit.models import AuditEntry
from lsml.audit.services import digest_of
from lsml.jobs.errors import JobRefused
from lsml.jobs.kinds import Event
from lsml.jobs.outcomes import job_origin, wake_worker
from lsml.observability.origin import Origin
from lsml.quality.evaluation.decision import decide
from lsml.quality.evaluation.models import Evaluation
from lsml.registry.models import POLICY, ModelVersion
from lsml.training.runs import kind as training

_RECORDED: Final = {Evaluation.State.SUCCEEDED, Evaluation.State.FAILED}
_SHADOW: Final = Evaluation.ComparedOn.SHADOW
ATTEMPTS_MAX: Final = 3  # of an evaluation in shadow that fails
RETRY_AFTER: Final = timedelta(minutes=10)


class EvaluationKind(RecordedJobKind[Evaluation]):
    """Evaluations as a kind of job. Their end decides about a promotion."""

    name = "evaluation"
    model = Evaluation
    task = "lsml.quality.tasks.evaluate"
    noun = "evaluation"
    verbs: ClassVar = {
        Event.REQUESTED: AuditEntry.Verb.EVALUATION_REQUESTED,
        Event.RETRIED: AuditEntry.Verb.EVALUATION_RETRIED,
        Event.CANCELLED: AuditEntry.Verb.EVALUATION_CANCELLED,
        Event.SUCCEEDED: AuditEntry.Verb.VERSION_EVALUATED,
        Event.FAILED: AuditEntry.Verb.EVALUATION_FAILED,
    }

    def detail(self, job: Evaluation) -> dict[str, Any]:
        """Return what was compared, and the verdict once there is one."""
        facts: dict[str, Any] = {
            "version": job.version_id,
            "compared_on": job.compared_on,
        }
        if job.state == job.State.SUCCEEDED:
            facts |= {
                "compared_with": job.compared_with_id,
                "policy": job.policy,
                "verdict": job.verdict,
                "promoted": job.promoted,
                "reason": job.reason,
                "in_shadow_until": job.in_shadow_until
                and job.in_shadow_until.isoformat(),
                "tasks": job.task_count,
                "report": digest_of(job.report),
            }
        return facts | ({"error": job.error} if job.error else {})

    def cause(self, job: Evaluation) -> str:
        """Return who asked for it, or what the run that made the version was for."""
        asked = super().cause(job)
        run = getattr(job.version, "run", None)
        return asked or (training.cause(run) if run else "")

    def on_end(self, job: Evaluation) -> None:
        """Promote the version if the policy says so, and record what was decided."""
        decided = job.state != job.State.SUCCEEDED or decide(job)
        if job.state in _RECORDED:
            origin = job_origin(job)
            self.record(job, Event(job.state), actor="worker", origin=origin)
        if not decided:  # another version is served by now, for example
            start_evaluation(job.version, actor="policy")

    def retry(self, job: Evaluation, *, actor: str, origin: Origin) -> Evaluation:
        """Evaluate the version again, against what is served by then."""
        about = _about(job) if job.compared_on == _SHADOW else {}
        return _start(job.version, Event.RETRIED, actor, origin, **about)

    def sweep(self) -> None:
        """Start the evaluations whose messages were lost, of the newest versions."""
        newest = ModelVersion.objects.order_by("project_id", "-number")
        lacking = ModelVersion.objects.filter(
            pk__in=newest.distinct("project_id").values("pk"),
            project__archived_at=None,
            held_out_tasks__gt=0,
            state=ModelVersion.State.READY,
            load_error="",
            evaluations=None,
        )
        for version in lacking.select_related("project"):
            start_evaluation(version, actor="policy")


kind = EvaluationKind()


def evaluate_new(version_pk: int) -> None:
    """Start the evaluation of a new version, unless that was done already."""
    version = ModelVersion.objects.select_related("project").get(pk=version_pk)
    if not version.evaluations.exists():
        start_evaluation(version, actor="policy")


def start_evaluation(version: ModelVersion, *, actor: str) -> Evaluation | None:
    """Queue an evaluation for the policy; return None if one is active."""
    try:
        return _create(version, actor)
    except JobRefused:
        return None


def start_in_shadow(candidate: Evaluation) -> None:
    """Queue the evaluation in shadow of a version that passed on held-out tasks.

    Does nothing if one is active, or if the last one failed only lately.
    """
    last = _in_shadow(candidate).order_by("-pk").first()
    if last and last.finished_at and last.finished_at > timezone.now() - RETRY_AFTER:
        return
    with suppress(JobRefused):  # one is active
        _create(candidate.version, POLICY, **_about(candidate))


def why_given_up(candidate: Evaluation) -> str:
    """Say why a candidate's evaluation in shadow is not tried again; "" = it is."""
    known = list(_in_shadow(candidate).order_by("pk"))
    if not known or known[-1].state in Evaluation.ACTIVE:
        return ""
    last = known[-1]
    if last.state == Evaluation.State.CANCELLED:
        by = f" by {last.cancel_requested_by}" if last.cancel_requested_by else ""
        return f"its evaluation in shadow was cancelled{by}"
    failed = sum(one.state == Evaluation.State.FAILED for one in known)
    if failed >= ATTEMPTS_MAX or (failed and candidate.version.load_error):
        count = f"{failed} times" if failed > 1 else "once"
        return f"its evaluation in shadow failed {count}: {last.error}"
    return ""


def _in_shadow(candidate: Evaluation) -> QuerySet[Evaluation]:
    return candidate.version.evaluations.filter(
        compared_on=_SHADOW, pk__gt=candidate.pk
    ).defer("report", "log", "task_scores")


def request_evaluation(
    version: ModelVersion, *, actor: str, origin: Origin
) -> Evaluation:
    """Queue an evaluation that a person asked for.

    Raises:
        JobRefused: One is active, nothing was held out when it was trained, or the
            project is archived.
    """
    return _start(version, Event.REQUESTED, actor, origin)


def _start(
    version: ModelVersion, event: Event, actor: str, origin: Origin, **about: Any
) -> Evaluation:
    with transaction.atomic():
        evaluation = _create(version, actor, **about)
        kind.record(evaluation, event, actor=actor, origin=origin)
    return evaluation


def _about(shadow: Evaluation) -> dict[str, Any]:
    """Return the columns of an evaluation in shadow, against the same version."""
    return {"compared_on": _SHADOW, "compared_with": shadow.compared_with}


def _create(version: ModelVersion, actor: str, **about: Any) -> Evaluation:
    if version.project.archived_at is not None:
        raise JobRefused(f"{version.project} is archived; nothing is evaluated.")
    if not version.held_out_tasks:
        raise JobRefused(
            f"No tasks were held out when {version.version} was trained, so there is"
            " nothing to evaluate it on."
        )
    active = JobRefused(f"{version.version} is being evaluated already.")
    # One that ends now has its row and waits for the lock of the project, which the
    # caller may have: the insert would wait for it, in a deadlock.
    if version.evaluations.filter(state__in=Evaluation.ACTIVE).exists():
        raise active
    now = timezone.now()
    try:
        with transaction.atomic():
            evaluation = Evaluation.objects.create(
                project=version.project,
                version=version,
                requested_by=actor[:200],
                created_at=now,
                notified_at=now,
                **about,
            )
    except IntegrityError:  # one_active_evaluation_per_version
        raise active from None
    wake_worker(evaluation)
    return evaluation
