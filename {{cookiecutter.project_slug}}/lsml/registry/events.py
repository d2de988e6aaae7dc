"""Finds the project of a webhook, and updates it from the payload."""

from contextlib import suppress
from typing import Any

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.identity import ProjectKey
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.registry.services import (
    TITLE_CHARS_MAX,
    get_or_create_project,
    update_project,
)

# Finds the project that `project_from_event` would return, if it would write nothing.
# Part of the statement that accepts an event: lsml/training/inbox/accept.py. Without a
# creation stamp, the latest project with the id counts.
UNCHANGED_PROJECT = """
SELECT id, archived_at
FROM (
  SELECT id, archived_at, title, label_config
  FROM registry_project
  WHERE labelstudio_id = %(labelstudio_id)s::bigint
    AND created_stamp = coalesce(%(created_stamp)s::bigint, created_stamp)
  ORDER BY created_stamp DESC LIMIT 1
) AS known
WHERE title = coalesce(%(title)s::text, title)
  AND label_config = coalesce(%(label_config)s::text, label_config)
"""


def unchanged_project_parameters(
    key: ProjectKey, project_object: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the parameters of `UNCHANGED_PROJECT`."""
    return {
        "labelstudio_id": key.labelstudio_id,
        "created_stamp": key.created_stamp,
        **_title_and_label_config(project_object),
    }


def project_from_event(
    *, key: ProjectKey | None, project_object: dict[str, Any] | None, origin: Origin
) -> Project | None:
    """Return the project of a webhook, updated from its payload.

    An unreadable label config is ignored: the event must be kept.
    """
    if key is None:
        return None
    project = get_or_create_project(key)
    with suppress(WireError):
        update_project(
            project=project, origin=origin, **_title_and_label_config(project_object)
        )
    return project


def only_project() -> Project | None:
    """Return the project in use if there is only one, for webhooks that name none."""
    in_use = Project.objects.filter(archived_at__isnull=True, labelstudio_id__gt=0)
    found = list(in_use[:2])
    return found[0] if len(found) == 1 else None


def _title_and_label_config(
    project_object: dict[str, Any] | None,
) -> dict[str, str | None]:
    """Return both as they are stored; None if missing, empty or not a text."""
    sent = project_object or {}
    texts = {
        name: value if isinstance(value := sent.get(name), str) and value else None
        for name in ("title", "label_config")
    }
    if texts["title"]:
        texts["title"] = texts["title"][:TITLE_CHARS_MAX]
    return texts
