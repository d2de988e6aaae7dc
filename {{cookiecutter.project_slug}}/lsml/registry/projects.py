"""Sets up, duplicates and archives projects, as Label Studio requests it."""

import json
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.requests import SetupRequest
from lsml.observability.origin import Origin
from lsml.registry.models import ModelVersion, Project, StateItem
from lsml.registry.policy import POLICY_FIELDS
from lsml.registry.services import (
    find_project,
    get_or_create_project,
    promote,
    record_version,
    update_project,
)


def set_up_project(order: SetupRequest, *, origin: Origin) -> Project:
    """Create or update a project from a `/setup` request.

    Called many times a day, so it writes only changes and loads no model.

    Raises:
        WireError: the label config cannot be read.

    Source: Label Studio's POST /setup.
    """
    project = get_or_create_project(order.project)
    update_project(
        project=project,
        origin=origin,
        label_config=order.label_config,
        hostname=order.hostname,
    )
    if order.extra_params != project.extra_params:
        _keep_extra_params(project, order.extra_params)
    if project.archived_at is not None:
        _reactivate(project, origin)
    return project


def _keep_extra_params(project: Project, extra_params: dict[str, Any] | None) -> None:
    # Both in one transaction: `model.extra_params` reads the state item.
    with transaction.atomic():
        project.extra_params = extra_params
        project.save(update_fields=["extra_params", "updated_at"])
        StateItem.objects.update_or_create(
            project=project,
            key="extra_params",
            defaults={"value": json.dumps(extra_params or {})},
        )


def _reactivate(project: Project, origin: Origin) -> None:
    """Reactivate an archived project. Its versions stay archived."""
    with transaction.atomic():
        project.archived_at = None
        project.save(update_fields=["archived_at", "updated_at"])
        record_entry(
            origin=origin,
            at=timezone.now(),
            actor="label studio",
            verb=AuditEntry.Verb.PROJECT_RECONNECTED,
            target=f"project {project.key}",
            project_pk=project.pk,
        )


def archive_project(*, project: Project, origin: Origin, at: datetime) -> None:
    """Take a project's versions out of service, inside the caller's transaction."""
    # A promotion under way ends first; a later one finds the archived state.
    locked = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if locked.active_version_id is not None:
        promote(
            project=project,
            version=None,
            actor="label studio",
            reason="the project was deleted",
            origin=origin,
        )
    project.versions.update(state=ModelVersion.State.ARCHIVED)
    project.archived_at = at
    project.save(update_fields=["archived_at", "updated_at"])
    record_entry(
        origin=origin,
        at=at,
        actor="label studio",
        verb=AuditEntry.Verb.PROJECT_ARCHIVED,
        target=f"project {project.key}",
        project_pk=project.pk,
    )


_COPIED_FIELDS = (
    "label_config",
    "label_config_digest",
    "extra_params",
    "hostname",
    # A copy is not connected yet, so Label Studio's order cannot be kept there.
    *(name for name in POLICY_FIELDS if name != "sampling"),
)


def duplicate_project(
    *, source: ProjectKey, target: ProjectKey, origin: Origin
) -> Project:
    """Copy state, versions and policy of a project to a new one.

    Idempotent: a target that has versions is left unchanged.

    Raises:
        UnknownProject: there is no project `source`.

    Source: Label Studio's POST /duplicate_model.
    """
    original = find_project(source)
    with transaction.atomic():
        copy = get_or_create_project(target)
        if copy.pk == original.pk or copy.versions.exists():
            return copy
        for name in _COPIED_FIELDS:
            setattr(copy, name, getattr(original, name))
        copy.save()
        StateItem.objects.bulk_create(
            [
                StateItem(project=copy, key=item.key, value=item.value)
                for item in original.state_items.all()
            ],
            ignore_conflicts=True,
        )
        _copy_versions(original, copy, origin)
    return copy


def _copy_versions(original: Project, copy: Project, origin: Origin) -> None:
    served, at = original.active_version_id, timezone.now()
    for version in original.versions.order_by("number"):
        was = version.pk
        version.pk, version.project, version.parent_id = None, copy, was
        version.held_out_tasks = 0  # those are tasks of the original
        version._state.adding = True
        version.save()
        record_version(version, actor="label studio", at=at, origin=origin)
        if was == served:
            promote(
                project=copy,
                version=version,
                actor="label studio",
                reason=f"duplicated from project {original.key}",
                origin=origin,
            )
