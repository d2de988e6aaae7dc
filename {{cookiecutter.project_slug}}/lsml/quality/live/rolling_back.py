"""Rolls back new versions that annotators agree less with, in a worker.

Only where the project's policy wants it, and only what the policy promoted: a version
that a person promoted, or promoted again, is never rolled back.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from statistics import fmean
from typing import Any, Final
from uuid import uuid4

import structlog
from django.db.models import QuerySet
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.dataset.figures import percent
from lsml.dataset.live import CONTROLS
from lsml.dataset.models import LiveAgreement
from lsml.inference.promotion import promote_loaded
from lsml.observability.origin import Origin
from lsml.quality.statistics.looks import FORMER_MAX, LOOKS, Worse, worse_at_last_look
from lsml.registry.errors import NotPromotable
from lsml.registry.models import (
    INITIAL_VERSION,
    POLICY,
    ModelVersion,
    Project,
    Promotion,
)

log = structlog.get_logger(__name__)

# Each refused attempt is an audit entry, and its cause may last.
_TRY_AGAIN_AFTER: Final = timedelta(minutes=10)

# Agreement, and {control: [1, agreement, …]}; of two empty results, no control
_Annotation = tuple[float, dict[str, list[float]] | None]


def roll_back_worse() -> None:
    """Roll back each project whose new version is worse than the one before it."""
    projects = _wanted().select_related("active_version")
    for pk in _wanted().order_by("pk").values_list("pk", flat=True):
        try:
            # Read now: it may have changed while another one's version was loaded.
            if project := projects.filter(pk=pk).first():
                _roll_back_if_worse(project)
        except Exception:  # must not stop the others
            log.exception("live agreement was not compared", project=pk)


def _wanted() -> QuerySet[Project]:
    on = Project.objects.filter(roll_back_on_drop=True, archived_at=None)
    return on.exclude(promotion_policy=Project.PromotionPolicy.MANUAL)


def _roll_back_if_worse(project: Project) -> None:
    promotion = _only_promotion(project)
    if promotion is None or not _can_serve(promotion.from_version):
        return
    worse = _worse(project, promotion.from_version)
    if worse is not None and not _was_refused_lately(project):
        _roll_back(project, promotion, worse)


def _only_promotion(project: Project) -> Promotion | None:
    """Return the policy's promotion of a new version; None if it is not served."""
    promotions = project.promotions.filter(to_version=project.active_version)
    found = list(promotions.select_related("from_version")[:2])
    if project.active_version is None or len(found) != 1 or found[0].actor != POLICY:
        return None
    return found[0]


def _can_serve(version: ModelVersion | None) -> bool:
    if version is None:
        return True
    return version.state == ModelVersion.State.READY and not version.load_error


def _worse(project: Project, former: ModelVersion | None) -> Worse | None:
    new = _annotations(project, project.served_version, "at", "pk")[: LOOKS[-1]]
    if len(new) < LOOKS[0]:
        return None
    before = _annotations(project, _name(former), "-at", "-pk")[:FORMER_MAX]
    common = _controls(new) & _controls(before)
    return worse_at_last_look(
        list(_agreements(before, common)), list(_agreements(new, common))
    )


def _annotations(project: Project, version: str, *order: str) -> Any:
    rows = LiveAgreement.objects.filter(
        project=project, model_version=version, withheld=False
    )
    return rows.order_by(*order).values_list("value", f"sums__{CONTROLS}")


def _controls(annotations: Iterable[_Annotation]) -> set[str]:
    return {name for _, controls in annotations for name in controls or ()}


def _agreements(
    annotations: Iterable[_Annotation], common: set[str]
) -> Iterator[float]:
    """Yield agreement on the controls that both versions have annotations of."""
    for value, controls in annotations:
        if not controls:
            yield value
        elif shared := controls.keys() & common:
            yield fmean(controls[name][1] for name in shared)


def _was_refused_lately(project: Project) -> bool:
    recent = AuditEntry.objects.since(timezone.now() - _TRY_AGAIN_AFTER)
    refused = recent.filter(actor=POLICY, verb=AuditEntry.Verb.PROMOTION_REFUSED)
    return refused.for_project(project.pk).exists()


def _roll_back(project: Project, promotion: Promotion, worse: Worse) -> None:
    served, former = project.served_version, promotion.from_version
    try:
        promote_loaded(
            project=project,
            version=former,
            actor=POLICY,
            reason=(
                f"agreement with annotators {percent(worse.level, worse.annotations)}"
                f" on its first {worse.annotations} annotations; {_name(former)} had"
                f" {percent(worse.former_level, worse.former_annotations)} on its last"
                f" {worse.former_annotations}"
            ),
            origin=Origin(request_id=f"roll-back-{uuid4().hex}", client="worker"),
            recheck=partial(_recheck, promotion),
        )
    except NotPromotable as refused:
        log.warning("not rolled back", project=str(project.key), reason=str(refused))
    else:
        log.warning(
            "rolled back",
            project=str(project.key),
            version=served,
            now_serving=project.served_version,
        )


def _recheck(promotion: Promotion, project: Project) -> None:
    """Raise NotPromotable if the promotion is no longer to be rolled back."""
    if not _wanted().filter(pk=project.pk).exists():
        raise NotPromotable("Nothing is to be rolled back by the service any more.")
    if _only_promotion(project) != promotion:
        raise NotPromotable("A version was promoted meanwhile.")


def _name(version: ModelVersion | None) -> str:
    return version.version if version else INITIAL_VERSION
