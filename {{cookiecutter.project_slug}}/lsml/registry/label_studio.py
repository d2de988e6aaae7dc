"""The Label Studio that the operator configured. The API key goes nowhere else.

`Project.hostname` comes from callers of `/setup`. It is shown to people and must never
decide where credentials are sent.
"""

from django.conf import settings

from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.failures import LabelStudioError
from lsml.labelstudio.identity import unix_second
from lsml.labelstudio.reading import JsonObject
from lsml.registry.models import Project

SETTINGS_NEEDED = "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY"


def is_label_studio_configured() -> bool:
    """Whether the operator set both the address and the key."""
    return bool(settings.LABEL_STUDIO_URL and settings.LABEL_STUDIO_API_KEY)


def configured_label_studio() -> LabelStudio | None:
    """Return a client of the configured Label Studio, or None.

    Raises:
        LabelStudioError: the key has expired.
    """
    if not is_label_studio_configured():
        return None
    return LabelStudio(
        url=settings.LABEL_STUDIO_URL, api_key=settings.LABEL_STUDIO_API_KEY
    )


def same_project(studio: LabelStudio, project: Project) -> JsonObject:
    """Return the project as Label Studio has it, before anything is changed there.

    Raises:
        LabelStudioError: its ID belongs to another project now. Label Studio reuses the
            IDs of deleted projects.
    """
    found = studio.project(project.labelstudio_id)
    created = unix_second(found.get("created_at"))
    if created and project.created_stamp not in {0, created}:
        raise LabelStudioError(
            f"{project} was deleted in Label Studio: project {project.labelstudio_id}"
            " there is another one now.",
            "Archive the deleted one in the admin.",
        )
    return found


def task_address(project: Project, task_id: int) -> str:
    """Return the page of a task in Label Studio, for people to open.

    Returns:
        "" if the address is unknown or not http(s).
    """
    url = project.hostname or settings.LABEL_STUDIO_URL
    if not url.lower().startswith(("http://", "https://")):
        return ""
    return f"{url.rstrip('/')}/projects/{project.labelstudio_id}/data?task={task_id}"
