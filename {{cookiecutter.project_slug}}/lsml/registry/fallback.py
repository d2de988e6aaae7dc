"""Replaces versions that fail to load. Called by inference."""

from collections.abc import Mapping

from django.db import transaction

from lsml.labelstudio.secrets import masked_text
from lsml.observability.origin import Origin
from lsml.registry.models import ModelVersion, Project, Promotion
from lsml.registry.services import promote

_PROMOTIONS_READ = 50
_EARLIER_MAX = 5  # each is loaded while a request waits


def mark_unloadable(version: ModelVersion, reason: str) -> None:
    """Store why a version did not load. It cannot be promoted until it loads.

    Does nothing for a version that the model named itself: it has no artifact to load.
    """
    if version.trained:
        version.load_error = masked_text(reason)
        version.save(update_fields=["load_error"])


def earlier_versions(project: Project) -> list[ModelVersion | None]:
    """Return the versions to try instead of the active one, latest first.

    Returns:
        Up to five versions that were served before and have no known load error, then
        None for the untrained model.
    """
    found: list[ModelVersion | None] = []
    recent = project.promotions.select_related("to_version").order_by("-pk")
    for promotion in recent[:_PROMOTIONS_READ]:
        version = promotion.to_version
        if version is None or len(found) == _EARLIER_MAX:
            break
        if version not in found and _may_serve(version, project):
            found.append(version)
    return [*found, None]


def _may_serve(version: ModelVersion, project: Project) -> bool:
    return (
        version.pk != project.active_version_id
        and version.state == ModelVersion.State.READY
        and not version.load_error
    )


def fall_back(
    *,
    project: Project,
    to_version: ModelVersion | None,
    failed: Mapping[ModelVersion, str],
    origin: Origin,
) -> Promotion | None:
    """Serve an earlier version in place of one that does not load.

    Args:
        project: The project whose active version does not load.
        to_version: What to serve instead; None = the untrained model.
        failed: Why each version that was tried does not load, the active one
            included.
        origin: The request that needed the version.

    Returns:
        The promotion. None, and nothing is written, if another process or a person
        changed the served version meanwhile.
    """
    active = project.active_version
    if active is None:
        return None
    with transaction.atomic():
        locked = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if locked.active_version_id != active.pk:
            return None
        for version, reason in failed.items():
            mark_unloadable(version, reason)
        return promote(
            project=project,
            version=to_version,
            actor="policy",
            reason=f"{active.version} cannot be loaded where it serves:"
            f" {failed[active]}",
            origin=origin,
        )
