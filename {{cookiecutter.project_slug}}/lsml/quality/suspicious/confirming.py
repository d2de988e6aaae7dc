"""Confirms annotations: a person found them right, so they are no longer listed."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.dataset.models import Annotation
from lsml.observability.origin import Origin
from lsml.quality.suspicious.models import ConfirmedAnnotation
from lsml.registry.models import Project


class AnnotationChanged(Exception):
    """The annotation is not as the person saw it, so it is not confirmed."""

    def __init__(self, annotation_id: int) -> None:
        self.annotation_id = annotation_id
        super().__init__(
            _(
                "Annotation %(id)s was changed or deleted since you looked at it, so it"
                " is not confirmed. Look at the list again."
            )
            % {"id": annotation_id}
        )


def confirm_annotation(
    *,
    project: Project,
    annotation_id: int,
    updated_at: datetime,
    actor: str,
    origin: Origin,
) -> None:
    """Keep an annotation off the list of suspicious ones until it changes.

    Args:
        project: of the annotation.
        annotation_id: Label Studio's ID.
        updated_at: of the state that the person looked at.
        actor: User name.
        origin: Of the request.

    Raises:
        AnnotationChanged: There is no annotation in this state. Nothing was written.
    """
    now = timezone.now()
    with transaction.atomic():
        seen = (
            Annotation.objects.trainable()
            .filter(project=project, annotation_id=annotation_id, updated_at=updated_at)
            .first()
        )
        if seen is None:
            raise AnnotationChanged(annotation_id)
        ConfirmedAnnotation.objects.update_or_create(
            project=project,
            annotation_id=annotation_id,
            defaults={
                "updated_at": updated_at,
                "confirmed_at": now,
                "confirmed_by": actor,
            },
        )
        record_entry(
            origin=origin,
            at=now,
            actor=actor,
            verb=AuditEntry.Verb.ANNOTATION_CONFIRMED,
            target=f"annotation {annotation_id}",
            project_pk=project.pk,
            detail={"task_id": seen.task_id, "updated_at": updated_at.isoformat()},
        )


def confirmed_states(project: Project) -> set[tuple[int, datetime]]:
    """Return ID and `updated_at` of each confirmed annotation of a project."""
    rows = ConfirmedAnnotation.objects.filter(project=project)
    return set(rows.values_list("annotation_id", "updated_at"))
