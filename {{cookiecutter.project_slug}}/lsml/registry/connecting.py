"""`manage.py connect`: registers this service in a Label Studio project.

It lives here because it creates or updates the project in the registry.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from django.utils import timezone

from lsml.audit.fields import first_id_at
from lsml.audit.models import AuditEntry, Prediction, WebhookEvent
from lsml.audit.services import record_entry
from lsml.labelstudio.client import LabelStudio
from lsml.labelstudio.connection import Backend, Connection, connect, try_prediction
from lsml.labelstudio.failures import BackendRefused
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.webhooks import PROJECT_UPDATED
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.registry.services import get_or_create_project, update_project
from lsml.registry.versions import version_names

# Label Studio waits 1 s for the webhook, and sends it before it answers us.
WEBHOOK_TIMEOUT_S = 3.0


def connect_project(
    *,
    studio: LabelStudio,
    labelstudio_id: int,
    backend: Backend,
    actor: str,
    say: Callable[[str], None],
) -> Project:
    """Connect this service to a project of Label Studio, and test both directions.

    Raises:
        LabelStudioError: it cannot be connected; `next_step` says what to do.
    """
    began = timezone.now()
    connection = connect(
        studio=studio,
        project_id=labelstudio_id,
        backend=_as_known_here(studio, labelstudio_id, backend),
        say=say,
    )
    project = _update(connection, studio, backend, actor, began)
    try_prediction(studio, connection, say)
    if connection.changed:  # a second run does not even change the project's date
        _try_webhook(studio, project, backend, began, say)
    return project


def _as_known_here(
    studio: LabelStudio, labelstudio_id: int, backend: Backend
) -> Backend:
    """Add how to find the backend again. If it is titled with a version, keep that."""
    key = ProjectKey.from_project_object(studio.project(labelstudio_id))
    project = Project.objects.with_key(key).first()
    if project is None:
        return backend
    uncertainty = project.sampling == Project.Sampling.UNCERTAINTY
    return replace(
        backend,
        title=None if uncertainty else backend.title,
        earlier_url=project.backend_url,
        versions=frozenset(version_names(key)),
    )


def _own_title(project: Project, backend: Backend, found: str) -> str:
    """Return the title without uncertainty sampling: as given, or as found."""
    if backend.title:
        return backend.title
    if project.sampling == Project.Sampling.UNCERTAINTY:
        return project.backend_title
    return project.backend_title if found in version_names(project.key) else found


def _update(
    connection: Connection,
    studio: LabelStudio,
    backend: Backend,
    actor: str,
    began: datetime,
) -> Project:
    origin = Origin.from_command("connect")
    project = get_or_create_project(connection.key)
    update_project(
        project=project,
        origin=origin,
        label_config=str(connection.project.get("label_config") or ""),
        hostname=studio.url,
        title=str(connection.project.get("title") or ""),
    )
    registered = {
        "backend_url": backend.url,
        "backend_title": _own_title(project, backend, str(connection.backend["title"])),
    }
    if any(getattr(project, name) != new for name, new in registered.items()):
        Project.objects.filter(pk=project.pk).update(
            **registered, updated_at=timezone.now()
        )
        project.refresh_from_db(fields=list(registered))
    if connection.changed:
        record_entry(
            origin=origin,
            at=began,
            actor=actor,
            verb=AuditEntry.Verb.PROJECT_CONNECTED,
            target=f"project {project.key}",
            project_pk=project.pk,
            detail={"label_studio": studio.url, "backend": backend.url},
        )
    return project


def _try_webhook(
    studio: LabelStudio,
    project: Project,
    backend: Backend,
    began: datetime,
    say: Callable[[str], None],
) -> None:
    """Have Label Studio send a harmless webhook, and check that it arrives.

    If the row of the test prediction is not in this database, the connected service
    uses another one. Then the webhook cannot be seen here and is not tried.
    """
    if not Prediction.objects.since(began).for_project(project.pk).exists():
        say("Webhooks were not tested: the service uses another database.")
        return
    studio.touch_project(project.labelstudio_id)
    saved = WebhookEvent.objects.filter(project_pk=project.pk, action=PROJECT_UPDATED)
    arrived = saved.filter(pk__gte=first_id_at(began))
    deadline = time.monotonic() + WEBHOOK_TIMEOUT_S
    while not arrived.exists():
        if time.monotonic() > deadline:
            raise BackendRefused(
                f"Predictions work, but no webhook arrives at {backend.webhook_url}: "
                "annotations would be lost.",
                "Check the project's webhook in Label Studio's settings and log. For"
                " private addresses Label Studio needs SSRF_PROTECTION_ENABLED=false.",
            )
        time.sleep(0.1)
    say("A webhook arrived.")
