"""Ends attempts at runs. Each function is one transaction that checks the fence.

Each raises Overtaken, and writes nothing, if another worker, the sweeper or a person
moved the run first.
"""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from lsml.jobs import outcomes
from lsml.jobs.errors import storable_names
from lsml.jobs.states import State
from lsml.observability.origin import Origin
from lsml.registry.artifacts import Artifact
from lsml.registry.fallback import mark_unloadable
from lsml.registry.models import ModelVersion, Project, StateItem
from lsml.registry.promotion_policy import wake_evaluator, why_promoted_at_once
from lsml.registry.services import VersionFacts, promote, register_version
from lsml.training.inbox.events import set_aside
from lsml.training.models import OutOfSample, TrainingAttempt, TrainingRun
from lsml.training.runs import end_attempt, kind

Outcome = TrainingAttempt.Outcome


@dataclass(frozen=True, slots=True)
class Product:
    """The result of a training that succeeded."""

    metrics: dict[str, float] = field(default_factory=dict)
    # The columns of `OutOfSample`, of each control; the numbers in Base64.
    probabilities: list[dict[str, Any]] = field(default_factory=list)
    artifact: dict[str, Any] | None = None  # key, sha256, size; None = nothing written
    version_name: str = ""  # what a legacy model called it; "" = the next v<number>
    state: dict[str, str] = field(default_factory=dict)  # what `self.set` kept
    code_revision: str = ""
    python_version: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    label_config: str = ""  # used for training
    label_config_digest: str = ""
    makes_version: bool = True  # False if `fit` kept nothing
    note: str = ""  # becomes the run's message; "" = keep the last one
    event_errors: dict[str, str] = field(default_factory=dict)  # id -> error of `fit`
    load_error: str = ""  # if set, the version is kept but not promoted


def succeed(
    run: TrainingRun, attempt: TrainingAttempt, product: dict[str, Any]
) -> None:
    """Write version, promotion, model state and the run's end in one transaction.

    Args:
        run: As the worker holds it, with its fence.
        attempt: The attempt that ends.
        product: The fields of a `Product`, as the training process reported them.
    """
    made = Product(**product)
    with kind.transaction(run):
        # First, so that a worker that lost its lease stops here. It also locks the run.
        message = {"message": made.note} if made.note else {}
        ended = outcomes.end(run, State.SUCCEEDED, error="", **message)
        end_attempt(attempt, Outcome(ended))
        if ended != State.SUCCEEDED:
            return  # a person cancelled it
        set_aside(run, made.event_errors)
        project = Project.objects.select_related("active_version").get(
            pk=run.project_id
        )
        # The state belongs to the project and not to the version. State that keeps the
        # new version from loading must not reach the served one.
        for key, value in ({} if made.load_error else made.state).items():
            StateItem.objects.update_or_create(
                project=project, key=key, defaults={"value": value}
            )
        if made.makes_version:
            _register(run, project, made, outcomes.job_origin(run))


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
            metrics=storable_names(product.metrics),
            snapshot_digest=snapshot.digest if snapshot else "",
            annotation_count=len(snapshot.annotation_ids) if snapshot else 0,
            held_out_tasks=snapshot.held_out_task_count if snapshot else 0,
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
    _keep_probabilities(version, product.probabilities)
    if product.load_error:
        mark_unloadable(version, product.load_error)
        warning = f"{version.version} was not promoted: it cannot be loaded."
        message = f"{product.note} {warning}".strip()
        TrainingRun.objects.filter(pk=run.pk).update(message=message)
        return
    if reason := why_promoted_at_once(project, version):
        promote(
            project=project,
            version=version,
            actor="policy",
            reason=f"run {run.pk} succeeded; {reason}",
            origin=origin,
        )
    if version.held_out_tasks:
        wake_evaluator(version)


def _keep_probabilities(version: ModelVersion, made: list[dict[str, Any]]) -> None:
    """Replace the probabilities of the version before."""
    OutOfSample.objects.filter(project=version.project).delete()
    OutOfSample.objects.bulk_create(
        OutOfSample(
            project=version.project,
            version=version,
            **{**one, "probabilities": b64decode(one["probabilities"])},
        )
        for one in made
    )


def fail(
    run: TrainingRun,
    attempt: TrainingAttempt,
    reason: str,
    event_errors: Mapping[str, str] | None = None,
) -> None:
    """End a run whose training failed and would fail again without a change.

    Args:
        run: As the worker holds it, with its fence.
        attempt: The attempt that ends.
        reason: A sentence for people.
        event_errors: Event id -> why a legacy `fit` failed on it. No later run takes
            these events until a person retries them: it would fail as well.
    """
    with kind.transaction(run):
        set_aside(run, event_errors or {})
        ended = outcomes.end(run, State.FAILED, error=reason)
        end_attempt(attempt, Outcome(ended), reason)


def cancel(run: TrainingRun, attempt: TrainingAttempt) -> None:
    """End a run that a person cancelled."""
    with kind.transaction(run):
        outcomes.end(run, State.CANCELLED)
        end_attempt(attempt, Outcome.CANCELLED)


def hand_back(run: TrainingRun, attempt: TrainingAttempt) -> None:
    """Queue the run again because its worker stops. Does not count as a failure."""
    with kind.transaction(run):
        outcomes.hand_back(run)
        end_attempt(attempt, Outcome.HANDED_BACK, "The worker was asked to stop.")


def crash(run: TrainingRun, attempt: TrainingAttempt, reason: str) -> None:
    """Queue the run again after a crash, or fail it if no attempts are left."""
    with kind.transaction(run):
        end_attempt(attempt, Outcome.FAILED, reason)
        outcomes.try_again_or_fail(run, reason)
