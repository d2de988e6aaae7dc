"""The check of one project, or of all: predictions first, then Label Studio's order."""

from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.inference.following.lease import checking
from lsml.inference.following.predicting import (
    LastPromotion,
    Progress,
    ensure_predicted,
    last_promotion,
)
from lsml.jobs.errors import in_words
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.connection import DEFAULT_TITLE
from lsml.labelstudio.failures import LabelStudioError, Unreachable
from lsml.labelstudio.task_order import (
    SEQUENTIAL,
    UNCERTAINTY,
    NotConnected,
    Order,
    keep_order,
)
from lsml.observability.origin import Origin
from lsml.registry.label_studio import (
    SETTINGS_NEEDED,
    configured_label_studio,
    same_project,
)
from lsml.registry.models import Following, Project

log = structlog.get_logger(__name__)

_WANTED = (
    ~Q(predict_on_promotion=Project.PredictOnPromotion.NONE)
    | Q(sampling=Project.Sampling.UNCERTAINTY)
    | Q(following__sampling_before__gt="")  # to be restored
)


@dataclass(frozen=True, slots=True)
class Check:
    """Who checks, and with which connection to Label Studio."""

    studio: LabelStudio | None  # None = it is not configured
    actor: str
    origin: Origin

    def label_studio(self) -> LabelStudio:
        """Return the connection.

        Raises:
            LabelStudioError: There is none.
        """
        if self.studio is None:
            raise LabelStudioError(
                "Label Studio's order of tasks cannot be changed.",
                f"Set {SETTINGS_NEEDED} for the workers.",
            )
        return self.studio


def follow_all(origin: Origin) -> None:
    """Check the projects that need it, one after the other.

    All are in the same Label Studio. If it does not answer, the others are not asked
    for: each would wait for the time limit.
    """
    projects = Project.objects.filter(_WANTED, archived_at__isnull=True)
    away = ""
    for pk in projects.order_by("pk").values_list("pk", flat=True):
        if away:
            Following.objects.filter(project=pk).update(problem=away)
        else:
            away = follow(pk, origin=origin)


def follow(project_pk: int, *, origin: Origin) -> str:
    """Check one project with the configured Label Studio.

    Does nothing if another process checks it: the next check sees what that one misses.

    Returns:
        Why Label Studio does not answer; "" = it does.
    """
    project = Project.objects.filter(pk=project_pk, archived_at__isnull=True).first()
    if project is None:
        return ""
    with checking(project) as is_ours:
        return _follow(project, origin) if is_ours else ""


def _follow(project: Project, origin: Origin) -> str:
    try:
        studio = configured_label_studio()
        check_project(project, Check(studio, "worker", origin))
    except LabelStudioError as error:
        problem = f"{error} {error.next_step}"
        _keep_problem(project, problem)
        return problem if isinstance(error, Unreachable) else ""
    except Exception as error:  # must not stop the checks of other projects
        log.exception("check failed", project=str(project.key))
        _keep_problem(project, f"The check failed: {in_words(error)}")
    return ""


def check_project(project: Project, check: Check) -> list[str]:
    """Do the next step for a project, and return what was changed in Label Studio.

    Call it inside `checking`.

    Raises:
        LabelStudioError: Label Studio is away or refuses; the next check tries again.
    """
    following = Following.objects.get(project=project)
    promoted = last_promotion(project)

    def before_start() -> None:
        # Predictions that are only recorded here would not change the order.
        if check.studio or project.sampling == Project.Sampling.UNCERTAINTY:
            same_project(check.label_studio(), project)

    progress = ensure_predicted(
        project, following, promoted, origin=check.origin, before_start=before_start
    )
    changes, note = _order(project, following, promoted, progress, check)
    _keep_problem(project, progress.note or note)
    return changes


def _order(
    project: Project,
    following: Following,
    promoted: LastPromotion,
    progress: Progress,
    check: Check,
) -> tuple[list[str], str]:
    """Have Label Studio order by the served version once that has predicted.

    Until then it orders by the version before. If uncertainty sampling was switched
    off, its own order and the backend's title are restored.

    Returns:
        What was changed, and why the order does not follow; "" = it does.
    """
    uncertainty = project.sampling == Project.Sampling.UNCERTAINTY
    if not uncertainty and not following.sampling_before:
        return [], ""
    if uncertainty and not (progress.ready or following.version):
        return [], ""
    studio = check.label_studio()
    found = same_project(studio, project)
    if not project.backend_url:
        raise NotConnected(url="")
    version = note = ""
    if uncertainty:
        version = following.version
        if progress.ready and version != promoted.version:
            if promoted.version in studio.prediction_versions(project.labelstudio_id):
                version = promoted.version
            else:  # for example, because all tasks have an annotation
                note = _not_stored(promoted)
        if not version:
            return [], note
        _remember_sampling(str(found.get("sampling") or ""), following)
    order = Order(
        title=version or project.backend_title or DEFAULT_TITLE,
        sampling=UNCERTAINTY if version else following.sampling_before,
    )
    changes = keep_order(
        studio, project.labelstudio_id, url=project.backend_url, order=order
    )
    _record(project, following.version, version, changes, check)
    return changes, note


def _not_stored(promoted: LastPromotion) -> str:
    return (
        f"Label Studio has no predictions of {promoted.version}, so the order stays as"
        " it is. If there are unlabelled tasks, start a bulk prediction."
    )


def _remember_sampling(now: str, following: Following) -> None:
    """Keep what Label Studio's own sampling is, before it is changed."""
    if following.sampling_before:
        return
    following.sampling_before = now if now not in {"", UNCERTAINTY} else SEQUENTIAL
    following.save(update_fields=["sampling_before"])


def _record(
    project: Project, before: str, version: str, changes: list[str], check: Check
) -> None:
    """Write which version Label Studio orders by now, and what was changed for it."""
    now = timezone.now()
    written: dict[str, Any] = {"version": version}
    if version != before:
        written["since"] = now
    if not version:
        written["sampling_before"] = ""
    with transaction.atomic():
        Following.objects.filter(project=project).update(**written)
        if version == before and not changes:
            return
        record_entry(
            origin=check.origin,
            at=now,
            actor=check.actor,
            verb=AuditEntry.Verb.TASK_ORDER_CHANGED,
            target=f"project {project.key}",
            project_pk=project.pk,
            detail={"before": before, "after": version, "changes": changes},
        )
    log.info(
        "label studio's order of tasks was changed",
        project=str(project.key),
        version=version,
        changes=changes,
    )


def _keep_problem(project: Project, problem: str) -> None:
    following = Following.objects.get(project=project)
    if problem and problem != following.problem:
        log.warning(
            "predictions or Label Studio's order do not follow the served version",
            project=str(project.key),
            problem=problem,
        )
    following.problem = problem
    following.save(update_fields=["problem"])
