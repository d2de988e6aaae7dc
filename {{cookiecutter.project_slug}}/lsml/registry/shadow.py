"""Starts and stops the shadow of a project: a version that predicts unseen.

`lsml/inference/shadow/` lets it predict.
"""

from typing import Final

from django.db import transaction
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.observability.origin import Origin
from lsml.registry.errors import ShadowRefused
from lsml.registry.models import ModelVersion, Project

_STARTED: Final = AuditEntry.Verb.SHADOW_STARTED
_STOPPED: Final = AuditEntry.Verb.SHADOW_STOPPED
_FIELDS: Final = ["shadow_version", "shadow_percent", "updated_at"]


def start_shadow(
    *,
    version: ModelVersion,
    percent: int | None = None,
    actor: str,
    reason: str,
    origin: Origin,
) -> Project:
    """Let a version predict a share of the live tasks in the background.

    It replaces the project's shadow, if there is one, whose end is recorded.

    Args:
        version: The version.
        percent: The share; None = the project's, as set last.
        actor: User name, or "policy".
        reason: As the person wrote it.
        origin: Of the request.

    Raises:
        ShadowRefused: The version is served, archived, or cannot be loaded, or its
            project is archived, or the share is not a percentage.
    """
    if percent is not None and not 1 <= percent <= 100:
        raise ShadowRefused("The share is a whole number of percent, 1 to 100.")
    with transaction.atomic():
        project = _locked(version.project_id)
        version.refresh_from_db(fields=["state", "load_error"])
        if problem := _why_not(project, version):
            raise ShadowRefused(problem)
        before = project.shadow_version
        if before is not None and before.pk != version.pk:
            replaced = f"{version.version} takes its place"
            end_shadow(project, actor=actor, reason=replaced, origin=origin)
        project.shadow_version = version
        if percent is not None:
            project.shadow_percent = percent
        project.save(update_fields=_FIELDS)
        _record(project, version, _STARTED, actor, reason, origin)
    return project


def stop_shadow(
    *, version: ModelVersion, actor: str, reason: str, origin: Origin
) -> Project:
    """End the shadow; what it predicted stays recorded.

    Raises:
        ShadowRefused: The version is not the shadow of its project.
    """
    with transaction.atomic():
        project = _locked(version.project_id)
        if project.shadow_version_id != version.pk:
            raise ShadowRefused(f"{version.version} is not in shadow.")
        end_shadow(project, actor=actor, reason=reason, origin=origin)
    return project


def end_shadow(project: Project, *, actor: str, reason: str, origin: Origin) -> None:
    """End the shadow of a project that the caller's transaction has locked."""
    version, project.shadow_version = project.shadow_version, None
    if version is not None:
        project.save(update_fields=_FIELDS)
        _record(project, version, _STOPPED, actor, reason, origin)


def _locked(project_pk: int) -> Project:
    return Project.objects.select_for_update(no_key=True).get(pk=project_pk)


def _why_not(project: Project, version: ModelVersion) -> str:
    if project.archived_at is not None:
        return f"{project} is archived."
    if version.pk == project.active_version_id:
        return f"{version.version} is served already."
    if version.state != ModelVersion.State.READY:
        return f"{version.version} is {version.state}."
    if version.load_error:
        return f"{version.version} does not load: {version.load_error}"
    return ""


def _record(
    project: Project,
    version: ModelVersion,
    verb: AuditEntry.Verb,
    actor: str,
    reason: str,
    origin: Origin,
) -> None:
    record_entry(
        origin=origin,
        at=timezone.now(),
        actor=actor,
        verb=verb,
        target=f"version {version.version}",
        project_pk=project.pk,
        reason=reason,
        detail={"version": version.pk, "percent": project.shadow_percent},
    )
