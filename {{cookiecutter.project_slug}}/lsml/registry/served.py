"""Which version a project serves.

Any process may promote a version. Reading the served one for every `/predict` would
cost a statement each, so it is remembered, and the statement that records a prediction
checks that it is still served: `row_version` is that of the project's row.

The SQL is written by hand: building this join from the models takes four times as long
as the statement.
"""

from dataclasses import dataclass, field

from django.db import connection

from lsml.labelstudio.identity import ProjectKey
from lsml.registry.models import INITIAL_VERSION

_REMEMBERED_MAX = 1_000
_REMEMBERED_CHARACTERS_MAX = 10_000_000  # of label configs, which may be megabytes
_SQL = """
SELECT project.id, version.version, project.label_config, project.withheld_percent,
  project.xmin::text
FROM registry_project AS project
LEFT JOIN registry_modelversion AS version ON version.id = project.active_version_id
WHERE project.labelstudio_id = %s AND (%s::bigint IS NULL OR created_stamp = %s)
ORDER BY created_stamp DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Served:
    """What a prediction needs to know about a project."""

    project_pk: int  # the registry's key
    version: str  # of every prediction of this request
    label_config: str
    withheld_percent: int = 0  # see `lsml/inference/withheld.py`
    # PostgreSQL's xmin of the project's row, which every change of it changes. "" = not
    # known.
    row_version: str = field(default="", compare=False)


_remembered: dict[ProjectKey, Served] = {}


def served(key: ProjectKey) -> Served | None:
    """Return what is served now; None for an unknown project.

    Not inside a transaction that changes the project: all its changes have the same
    xmin, so what was read before the last one would be remembered as current.
    """
    stamp = key.created_stamp
    with connection.cursor() as cursor:
        cursor.execute(_SQL, [key.labelstudio_id, stamp, stamp])
        row = cursor.fetchone()
    if row is None:
        return None
    project_pk, version, *facts = row
    found = Served(project_pk, version or INITIAL_VERSION, *facts)
    if stamp is not None:  # else a newer project may get the same id
        _remember(key, found)
    return found


def _remember(key: ProjectKey, found: Served) -> None:
    known = list(_remembered.values())
    characters = sum(len(each.label_config) for each in known)
    if (
        len(known) >= _REMEMBERED_MAX
        or characters + len(found.label_config) > _REMEMBERED_CHARACTERS_MAX
    ):
        _remembered.clear()
    _remembered[key] = found


def remembered(key: ProjectKey) -> Served | None:
    """Return what was served when this process last looked, if it did."""
    return _remembered.get(key)
