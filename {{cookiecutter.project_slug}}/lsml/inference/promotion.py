"""Promotes versions that load, and falls back to an earlier one when loading fails.

Called by the console, the REST API, `manage.py promote` and `predict`.
"""

import structlog
from django.db import transaction
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.inference.errors import ModelBusy, ModelError, ModelNotLoadable
from lsml.inference.placement import models
from lsml.model_process.errors import ModelProcessUnavailable
from lsml.observability.origin import Origin
from lsml.registry import fallback
from lsml.registry.errors import NotPromotable, StorageUnavailable
from lsml.registry.models import INITIAL_VERSION, ModelVersion, Project, Promotion
from lsml.registry.served import Served
from lsml.registry.services import Recheck, demand_promotable, promote
from lsml.registry.versions import version_before

log = structlog.get_logger(__name__)

_NOT_LOADED = (ModelError, ModelBusy, ModelProcessUnavailable, StorageUnavailable)

LOAD_WITHIN_S = 30.0  # a person and the proxies in between wait for the answer


def promote_loaded(
    *,
    project: Project,
    version: ModelVersion | None,
    actor: str,
    reason: str,
    origin: Origin,
    recheck: Recheck | None = None,
) -> Promotion:
    """Load `version` where it will serve, then serve it; None = untrained.

    A version that is marked as not loadable may be tried again; the mark is removed if
    it loads. If it does not, the served version stays, and the refusal is recorded. One
    that the promotion policy held back may be promoted; the promotion says so.

    Loading takes up to `LOAD_WITHIN_S`, in which others may change the project. Give
    what must still be so afterwards as `recheck`.

    Raises:
        NotPromotable: the version belongs to another project, is archived, is served
            already, or does not load; or `recheck` raises it. The message says why.
    """
    demand_promotable(project=project, version=version)
    if version is not None and version.pk == project.active_version_id:
        # A promotion that changes nothing would leave nothing to roll back to.
        raise NotPromotable(f"{version.version} is served already.")
    try:
        models().load(_serving(project, version), origin, within_s=LOAD_WITHIN_S)
    except _NOT_LOADED as error:
        raise _refused(project, version, error, actor, reason, origin) from error
    with transaction.atomic():
        # Before the version, as all who write both do: otherwise, a deadlock.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if version is not None and version.load_error:
            version.load_error = ""
            version.save(update_fields=["load_error"])
        return promote(
            project=project,
            version=version,
            actor=actor,
            reason=reason,
            origin=origin,
            recheck=recheck,
            overrides=version.held_back if version else "",
        )


def roll_back(
    *, project: Project, actor: str, reason: str, origin: Origin
) -> Promotion:
    """Promote the version that was served before the active one.

    Raises:
        NothingToRollBackTo: no version was promoted yet.
        NotPromotable: the earlier version is archived, or does not load, or a version
            was promoted since `project` was read.
    """
    earlier, last = version_before(project), project.promotions.latest("pk")
    served, name = project.active_version_id, project.served_version

    def unchanged(locked: Project) -> None:
        if locked.active_version_id != served:
            raise NotPromotable(f"{name} is no longer served.")
        if locked.promotions.latest("pk") != last:
            raise NotPromotable(f"{name} was promoted again meanwhile.")

    return promote_loaded(
        project=project,
        version=earlier,
        actor=actor,
        reason=reason,
        origin=origin,
        recheck=unchanged,
    )


def fall_back(serving: Served, error: ModelNotLoadable, origin: Origin) -> Served:
    """Promote the latest earlier version that loads.

    Nothing is written before one has loaded: if none does, the model's code is at fault
    and not the version.

    Args:
        serving: The version that cannot be loaded.
        error: Why it cannot be loaded.
        origin: Of the request that needs an answer.

    Returns:
        The version served now. Another process or a person may have promoted it first.

    Raises:
        ModelNotLoadable: `error`, if no earlier version loads.
    """
    project = Project.objects.select_related("active_version").get(
        pk=serving.project_pk
    )
    active = project.active_version
    if project.served_version != serving.version:  # changed meanwhile
        return _serving(project, active)
    if active is None or not active.trained:
        raise error
    failed = {active: str(error)}
    for version in fallback.earlier_versions(project):
        try:
            models().load(_serving(project, version), origin)
        except ModelNotLoadable as another:
            if version is not None:
                failed[version] = str(another)
            continue
        return _fall_back_to(version, project, failed, origin)
    raise error


def _fall_back_to(
    version: ModelVersion | None,
    project: Project,
    failed: dict[ModelVersion, str],
    origin: Origin,
) -> Served:
    served_before = project.served_version
    promotion = fallback.fall_back(
        project=project, to_version=version, failed=failed, origin=origin
    )
    if promotion is None:  # changed meanwhile
        project.refresh_from_db(fields=["active_version"])
        return _serving(project, project.active_version)
    serving = _serving(project, version)
    log.error(
        "served version cannot be loaded; an earlier one is served",
        project=str(project.key),
        version=served_before,
        now_serving=serving.version,
        error=next(iter(failed.values())),
    )
    return serving


def _refused(
    project: Project,
    version: ModelVersion | None,
    error: Exception,
    actor: str,
    reason: str,
    origin: Origin,
) -> NotPromotable:
    """Record that a promotion was refused, and return the error to raise."""
    name = version.version if version else "the untrained model"
    with transaction.atomic():
        if version is not None and isinstance(error, ModelNotLoadable):
            fallback.mark_unloadable(version, str(error))
        record_entry(
            origin=origin,
            at=timezone.now(),
            actor=actor,
            verb=AuditEntry.Verb.PROMOTION_REFUSED,
            target=f"version {name}",
            project_pk=project.pk,
            reason=reason,
            detail={"error": str(error)},
        )
    return NotPromotable(
        f"{name} was not promoted; {project.served_version} is still served. {error}"
    )


def _serving(project: Project, version: ModelVersion | None) -> Served:
    name = version.version if version else INITIAL_VERSION
    return Served(project.pk, name, project.label_config, project.withheld_percent)
