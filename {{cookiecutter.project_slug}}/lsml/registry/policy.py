"""Changes that people make to a project or a version. Each is recorded."""

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.observability.origin import Origin
from lsml.registry.following import FOLLOWING_FIELDS, wake_follower
from lsml.registry.models import ModelVersion, Project

POLICY_FIELDS: Final = (
    "training_mode",
    "training_paused",
    "min_annotations",
    "debounce_s",
    "quiet_from",
    "quiet_until",
    "promotion_policy",
    "gate_min_tasks",
    "gate_margin",
    "gate_label_margin",
    "gate_latency_factor",
    "gate_shadow_tasks",
    "shadow_percent",
    "roll_back_on_drop",
    "time_limit_s",
    "memory_mb",
    "holdout_percent",
    "holdout_fit",
    "withheld_percent",
    "predict_on_promotion",
    "sampling",
)


def change_policy(
    *,
    project: Project,
    changes: dict[str, Any],
    actor: str,
    reason: str,
    origin: Origin,
) -> dict[str, tuple[Any, Any]]:
    """Change what happens by itself in a project, and record what it was before.

    Args:
        project: Updated in place.
        changes: New values by name; the names are in POLICY_FIELDS.
        actor: User name.
        reason: As the person wrote it.
        origin: Of the request.

    Returns:
        What changed: name -> (before, after). If empty, nothing was written.

    Raises:
        ValidationError: A value is not allowed, such as one end of the quiet hours
            without the other. Nothing was written.
    """
    if unknown := set(changes) - set(POLICY_FIELDS):
        raise ValidationError(f"Not part of the policy: {', '.join(sorted(unknown))}.")
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project.pk)
        different = {
            name: (getattr(locked, name), value)
            for name, value in changes.items()
            if getattr(locked, name) != value
        }
        if not different:
            return {}
        for name, (_before, value) in different.items():
            setattr(locked, name, value)
        locked.full_clean(exclude=_not_policy(), validate_unique=False)
        locked.save(update_fields=[*different, "updated_at"])
        record_entry(
            origin=origin,
            at=timezone.now(),
            actor=actor,
            verb=AuditEntry.Verb.POLICY_CHANGED,
            target=f"project {locked.key}",
            project_pk=locked.pk,
            reason=reason,
            detail={
                name: {"before": _plain(before), "after": _plain(after)}
                for name, (before, after) in different.items()
            },
        )
        if different.keys() & FOLLOWING_FIELDS:
            wake_follower(locked)
    for name, (_before, value) in different.items():
        setattr(project, name, value)
    return different


def update_notes(
    *, version: ModelVersion, notes: str, actor: str, origin: Origin
) -> None:
    """Replace the notes on a version. The audit log keeps the earlier notes."""
    with transaction.atomic():
        locked = ModelVersion.objects.select_for_update(no_key=True).get(pk=version.pk)
        if locked.notes == notes:
            return
        record_entry(
            origin=origin,
            at=timezone.now(),
            actor=actor,
            verb=AuditEntry.Verb.VERSION_NOTED,
            target=f"version {locked.version}",
            project_pk=locked.project_id,
            detail={"before": locked.notes, "after": notes},
        )
        ModelVersion.objects.filter(pk=version.pk).update(notes=notes)
    version.notes = notes


def _not_policy() -> set[str]:
    return {field.name for field in Project._meta.fields} - set(POLICY_FIELDS)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else str(value)
