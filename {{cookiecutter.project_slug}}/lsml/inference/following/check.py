"""The check of one project, or of all: predictions first, then Label Studio's order."""

from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.inference.following.predicting import (
    Predicted,
    Served,
    ensure_predicted,
    served_by,
)
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
from lsml.registry.label_studio import SETTINGS_NEEDED, configured_label_studio
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


def follow_all(origin: Origin) -> None:
    """Check the projects that need it, one after the other.

    All are in the same Label Studio. If it does not answer, the others are not asked
    for: each would wait for the time limit.
    """
    projects = Project.objects.filter(_WANTED, archived_at__isnull=True)
    away = ""
    for pk in projects.order_by("pk").values_list("pk", flat=True):
        if away:
            Following.objects.filter(project=pk).update(
                problem=away, checked_at=timezone.now()
            )
        else:
            away = follow(pk, origin=origin)


def follow(project_pk: int, *, origin: Origin) -> str:
    """Check one project with the configured Label Studio.

    Returns:
        Why Label Studio does not answer; "" = it does.
    """
    project = Project.objects.filter(pk=project_pk, archived_at__isnull=True).first()
    if project is None:
        return ""
    try:
        studio = configured_label_studio()
        check_project(project, Check(studio, "worker", origin))
    except LabelStudioError as error:
        problem = f"{error} {error.next_step}"
        _keep_problem(project, problem)
        return problem if isinstance(error, Unreachable) else ""
    return ""


def check_project(project: Project, check: Check) -> list[str]:
    """Do the next step for a project, and return what was changed in Label Studio.

    Raises:
        LabelStudioError: Label Studio is away or refuses; the next check tries again.
    """
    following, _ = Following.objects.get_or_create(project=project)
    served = served_by(project)
    studio = check.studio

    def before_start() -> None:
        if studio is not None:
            studio.project(project.labelstudio_id)

    predicted = ensure_predicted(
        project, following, served, origin=check.origin, before_start=before_start
    )
    changes = _order(project, following, served, predicted, check)
    _keep_problem(project, predicted.note)
    return changes


def _order(
    project: Project,
    following: Following,
    served: Served,
    predicted: Predicted,
    check: Check,
) -> list[str]:
    """Have Label Studio order by the served version once that has predicted.

    Until then it orders by the version before. If uncertainty sampling was switched
    off, its own order and the backend's title are restored.
    """
    uncertainty = project.sampling == Project.Sampling.UNCERTAINTY
    if not uncertainty and not following.sampling_before:
        return []
    if uncertainty and not (predicted.ready or following.version):
        return []
    if check.studio is None:
        raise LabelStudioError(
            "Label Studio's order of tasks cannot be changed.",
            f"Set {SETTINGS_NEEDED} for the workers.",
        )
    if not project.backend_url:
        raise NotConnected(url="")
    version = ""
    if uncertainty:
        version = following.version
        if predicted.ready and version != served.version:
            stored = check.studio.prediction_versions(project.labelstudio_id)
            # There are none if, for example, all tasks have an annotation.
            version = served.version if served.version in stored else version
        if not version:
            return []
        _remember_sampling(check.studio, project, following)
    order = Order(
        title=version or project.backend_title or DEFAULT_TITLE,
        sampling=UNCERTAINTY if version else following.sampling_before,
    )
    changes = keep_order(
        check.studio, project.labelstudio_id, url=project.backend_url, order=order
    )
    _record(project, following.version, version, changes, check)
    return changes


def _remember_sampling(
    studio: LabelStudio, project: Project, following: Following
) -> None:
    """Keep what Label Studio's own sampling is, before it is changed."""
    if following.sampling_before:
        return
    now = studio.project(project.labelstudio_id).get("sampling")
    own = str(now) if now and now != UNCERTAINTY else SEQUENTIAL
    following.sampling_before = own
    following.save(update_fields=["sampling_before"])


def _record(
    project: Project, before: str, version: str, changes: list[str], check: Check
) -> None:
    """Write which version Label Studio orders by now, and what was changed for it."""
    if not changes and version == before and version:
        return
    now = timezone.now()
    written: dict[str, Any] = {"version": version}
    if version != before:
        written["since"] = now
    if not version:
        written["sampling_before"] = ""
    rows = Following.objects.filter(project=project, version=before)
    with transaction.atomic():
        moved = rows.update(**written) and version != before
        if not moved and not changes:
            return  # another check did it
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
    following, _ = Following.objects.get_or_create(project=project)
    if problem and problem != following.problem:
        log.warning(
            "predictions or Label Studio's order do not follow the served version",
            project=str(project.key),
            problem=problem,
        )
    following.problem, following.checked_at = problem, timezone.now()
    following.save(update_fields=["problem", "checked_at"])
