"""Reads of versions."""

from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from lsml.labelstudio.identity import ProjectKey
from lsml.registry.errors import NothingToRollBackTo, UnknownVersion
from lsml.registry.models import INITIAL_VERSION, ModelVersion, Project, Promotion


def served_by_project() -> Coalesce:
    """Return the name of the version that the `project` of a row serves."""
    return Coalesce("project__active_version__version", Value(INITIAL_VERSION))


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


def version_before(project: Project) -> ModelVersion | None:
    """Return the version served before the active one; None = untrained.

    A promotion of the version that was served already changed nothing and is skipped.

    Raises:
        NothingToRollBackTo: no version was promoted yet.
    """
    last = (
        project.promotions.filter(to_version=project.active_version)
        .exclude(from_version=project.active_version)
        .select_related("from_version")
        .order_by("-pk")
        .first()
    )
    if last is None:
        raise NothingToRollBackTo
    return last.from_version


def rolled_back_by_policy() -> list[Promotion]:
    """Return the last promotion of each project in which the service rolled back."""
    of_project = Promotion.objects.filter(project=OuterRef("pk")).order_by("-pk")
    last = Project.objects.filter(archived_at=None).values_list(
        Subquery(of_project.values("pk")[:1])
    )
    found = (
        Promotion.objects.filter(pk__in=last)
        .select_related("project", "from_version", "to_version")
        .only(
            "actor",
            "reason",
            "project__title",
            "project__labelstudio_id",
            *(
                f"{side}__{column}"
                for side in ("from_version", "to_version")
                for column in ("version", "number")
            ),
        )
    )
    return [each for each in found.order_by("pk") if each.rolled_back_by_policy]


def find_version(*, project: Project, version: str) -> ModelVersion:
    """Return the project's version of that name.

    Raises:
        UnknownVersion: there is none; the message lists the known names.
    """
    try:
        return project.versions.get(version=version)
    except ModelVersion.DoesNotExist:
        known = project.versions.order_by("-number").values_list("version", flat=True)
        raise UnknownVersion(version, list(known[:10])) from None
