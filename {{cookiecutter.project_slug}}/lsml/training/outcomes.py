"""How an attempt ends, each ending in one transaction that checks the fence.

Whoever writes an ending names the fence it was given: `states.move` refuses it where
another worker, the sweeper or a person was quicker.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from lsml.audit.services import Origin
from lsml.dataset.services import writing
from lsml.jobs.notify import TRAIN, notify, notify_project
from lsml.registry.artifacts import Artifact
from lsml.registry.fallback import mark_unloadable
from lsml.registry.models import Project, StateItem
from lsml.registry.services import VersionFacts, promote, register_version
from lsml.training.inbox.apply import give_back
from lsml.training.models import TrainingAttempt, TrainingRun
from lsml.training.runs import NOTIFY_AGAIN_S
from lsml.training.states import State, move

Outcome = TrainingAttempt.Outcome


@dataclass(frozen=True, slots=True)
class Product:
    """What a training that went well hands over."""

    metrics: dict[str, float] = field(default_factory=dict)
    artifact: dict[str, Any] | None = None  # key, sha256, size; None = nothing written
    version_name: str = ""  # what a legacy model called it; "" = the next v<number>
    state: dict[str, str] = field(default_factory=dict)  # what `self.set` kept
    code_revision: str = ""
    python_version: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    label_config: str = ""  # the one it was trained with
    label_config_digest: str = ""
    load_error: str = ""  # why it cannot be loaded; it is kept, but not promoted
    makes_version: bool = True  # False: no event was one the model learns from


def succeed(
    run: TrainingRun, attempt: TrainingAttempt, product: dict[str, Any]
) -> None:
    """Version, promotion, state and the run's end appear together or not at all.

    Args:
        run: As the worker holds it, with its fence.
        attempt: The one that ends.
        product: The fields of a `Product`, as the training process reported them.

    Raises:
        Overtaken: The lease was lost; nothing was written.
    """
    made = Product(**product)
    now = timezone.now()
    origin = run_origin(run)
    with writing(run.project_id):
        # First, so that a zombie stops here: it locks the run's row until the commit.
        move(run, State.SUCCEEDED, finished_at=now, progress=1, error="")
        _end_attempt(attempt, Outcome.SUCCEEDED)
        project = Project.objects.select_related("active_version").get(
            pk=run.project_id
        )
        # State is the project's, not the version's: what keeps the new version from
        # loading must not reach the version that is served on.
        for key, value in ({} if made.load_error else made.state).items():
            StateItem.objects.update_or_create(
                project=project, key=key, defaults={"value": value}
            )
        if made.makes_version:
            _register(run, project, made, origin)
        transaction.on_commit(partial(notify_project, run.project_id))


def _register(
    run: TrainingRun, project: Project, product: Product, origin: Origin
) -> None:
    snapshot = TrainingRun.objects.select_related("snapshot").get(pk=run.pk).snapshot
    artifact = Artifact(**product.artifact) if product.artifact else None
    version = register_version(
        project=project,
        facts=VersionFacts(
            version=product.version_name,
            parent=project.active_version,
            artifact_key=artifact.key if artifact else "",
            artifact_sha256=artifact.sha256 if artifact else "",
            artifact_bytes=artifact.size if artifact else 0,
            metrics=product.metrics,
            snapshot_digest=snapshot.digest if snapshot else "",
            annotation_count=len(snapshot.annotation_ids) if snapshot else 0,
            label_config=product.label_config,
            label_config_digest=product.label_config_digest,
            code_revision=product.code_revision,
            python_version=product.python_version,
            packages=product.packages,
        ),
        at=timezone.now(),
        origin=origin,
    )
    TrainingRun.objects.filter(pk=run.pk).update(version=version)
    if product.load_error:
        mark_unloadable(version, product.load_error)
        warning = f"{version.version} was not promoted: it cannot be loaded."
        TrainingRun.objects.filter(pk=run.pk).update(message=warning)
    elif project.auto_promote:
        promote(
            project=project,
            version=version,
            actor="policy",
            reason=f"run {run.pk} succeeded",
            origin=origin,
        )


def fail(run: TrainingRun, attempt: TrainingAttempt, reason: str) -> None:
    """The training itself went wrong, and would again: its events wait for a person.

    Raises:
        Overtaken: The lease was lost.
    """
    with writing(run.project_id):
        move(run, State.FAILED, finished_at=timezone.now(), error=reason)
        _end_attempt(attempt, Outcome.FAILED, reason)
        give_back(run)
        transaction.on_commit(partial(notify_project, run.project_id))


def cancel(run: TrainingRun, attempt: TrainingAttempt) -> None:
    """A person's wish was carried out.

    Raises:
        Overtaken: The lease was lost.
    """
    with writing(run.project_id):
        move(run, State.CANCELLED, finished_at=timezone.now())
        _end_attempt(attempt, Outcome.CANCELLED)
        give_back(run)
        transaction.on_commit(partial(notify_project, run.project_id))


def hand_back(run: TrainingRun, attempt: TrainingAttempt) -> None:
    """The worker stops: another one takes the run at once. Costs no attempt.

    Raises:
        Overtaken: The lease was lost.
    """
    with transaction.atomic():
        _requeue(run, message="handed back by a worker that stopped")
        _end_attempt(attempt, Outcome.HANDED_BACK, "The worker was asked to stop.")


def crash(run: TrainingRun, attempt: TrainingAttempt, reason: str) -> None:
    """The training process died: again, while attempts are left.

    Raises:
        Overtaken: The lease was lost.
    """
    with writing(run.project_id):
        _end_attempt(attempt, Outcome.FAILED, reason)
        _again_or_fail(run, reason)


def lose(run: TrainingRun) -> None:
    """The worker fell silent: again, while attempts are left.

    Raises:
        Overtaken: It spoke up, or another sweeper was quicker.
    """
    reason = f"Worker {run.lease_owner} fell silent: killed, out of memory, or cut off."
    with writing(run.project_id):
        move(run, State.LOST, message=reason)
        attempt = run.attempt_set.get(number=run.attempts)
        _end_attempt(attempt, Outcome.LOST, reason)
        _again_or_fail(run, reason)


def _again_or_fail(run: TrainingRun, reason: str) -> None:
    spent = run.attempt_set.filter(outcome__in=[Outcome.FAILED, Outcome.LOST]).count()
    if run.cancel_requested_at is not None:
        move(run, State.CANCELLED, finished_at=timezone.now())
    elif spent < settings.TRAINING_MAX_ATTEMPTS:
        _requeue(run, message=f"attempt {run.attempts} was lost; waits for a worker")
        return
    else:
        error = f"Gave up after {spent} attempts. The last one: {reason}"
        move(run, State.FAILED, finished_at=timezone.now(), error=error)
    give_back(run)
    transaction.on_commit(partial(notify_project, run.project_id))


def _requeue(run: TrainingRun, *, message: str) -> None:
    move(run, State.QUEUED, message=message, notified_at=timezone.now())
    transaction.on_commit(partial(notify, TRAIN, run.pk, expires=NOTIFY_AGAIN_S))


def _end_attempt(attempt: TrainingAttempt, outcome: str, error: str = "") -> None:
    attempt.outcome, attempt.error = outcome, error
    attempt.finished_at = timezone.now()
    attempt.save(update_fields=["outcome", "error", "finished_at"])


def run_origin(run: TrainingRun) -> Origin:
    """What ties the rows a run writes together."""
    return Origin(request_id=f"run-{run.pk:08d}", client=run.lease_owner or "worker")
