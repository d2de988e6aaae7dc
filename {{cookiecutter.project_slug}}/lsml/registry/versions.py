"""Reads of versions."""

from lsml.labelstudio.identity import ProjectKey
from lsml.registry.models import INITIAL_VERSION, ModelVersion, Project


def version_names(key: ProjectKey | None) -> list[str]:
    """Return the names of the versions that can be served; those served now first.

    Label Studio's GET /versions names no project, so its answer covers all.
    """
    projects = Project.objects.filter(archived_at__isnull=True)
    if key is not None:
        projects = projects.with_key(key)[:1]
    served = [each.served_version for each in projects.select_related("active_version")]
    ready = (
        ModelVersion.objects.filter(
            project__in=[each.pk for each in projects], state=ModelVersion.State.READY
        )
        .order_by("-created_at", "-pk")
        .values_list("version", flat=True)
    )
    return list(dict.fromkeys([*served, *ready, INITIAL_VERSION]))
