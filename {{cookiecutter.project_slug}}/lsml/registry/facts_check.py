"""Compares versions and what is served with the audit log: part of `audit verify`."""

from collections.abc import Collection, Iterator
from typing import Any, Final

from django.db import connection

from lsml.audit.facts import Tally, compare_entries, kept_since, unrecorded
from lsml.audit.models import AuditEntry
from lsml.registry.models import INITIAL_VERSION, ModelVersion
from lsml.registry.services import version_facts

_CREATED: Final = AuditEntry.Verb.VERSION_CREATED


def check_versions(tally: Tally) -> Iterator[str]:
    """Yield the versions that are not as they were when they were created."""
    yield from compare_entries(tally, "version", [_CREATED], _facts_of)
    yield from _unrecorded_versions(tally)


def _facts_of(numbers: Collection[int]) -> dict[int, dict[str, Any]]:
    versions = ModelVersion.objects.filter(pk__in=numbers)
    return {version.pk: version_facts(version) for version in versions}


def _unrecorded_versions(tally: Tally) -> Iterator[str]:
    kept = kept_since("audit_auditentry")
    for version in unrecorded(ModelVersion.objects.all(), "version", _CREATED):
        if kept and version.created_at < kept:
            tally.add(0, uncovered=1)
        else:
            yield (
                f"No audit entry records the creation of version {version.version} of"
                f" project {version.project_id}."
            )


# Both are read in one statement: a promotion changes both.
_DIFFERENTLY_SERVED: Final = """
SELECT project.id, served.version, promoted.version, last.id
FROM registry_project AS project
LEFT JOIN LATERAL (
  SELECT id, to_version_id FROM registry_promotion
  WHERE project_id = project.id ORDER BY id DESC LIMIT 1
) AS last ON true
LEFT JOIN registry_modelversion AS served ON served.id = project.active_version_id
LEFT JOIN registry_modelversion AS promoted ON promoted.id = last.to_version_id
WHERE project.active_version_id IS DISTINCT FROM last.to_version_id
ORDER BY project.id
"""


def check_active_versions(tally: Tally) -> Iterator[str]:
    """Yield the projects that serve another version than was promoted last."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM registry_project")
        tally.add(cursor.fetchone()[0])
        cursor.execute(_DIFFERENTLY_SERVED)
        for project, served, promoted, promotion in cursor:
            last = (
                f"its last promotion ({promotion}) is that of"
                f" {promoted or INITIAL_VERSION}"
                if promotion
                else "no version was ever promoted"
            )
            yield f"Project {project} serves {served or INITIAL_VERSION}, but {last}."
