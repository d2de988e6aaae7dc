"""Creates projects, registers versions and promotes them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import digest_of, record_entry
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.label_config import parse_label_config
from lsml.labelstudio.secrets import masked_text
from lsml.observability import tracing
from lsml.observability.origin import Origin
from lsml.registry.errors import (
    NotPromotable,
    UnknownProject,
)
from lsml.registry.following import is_followed, wake_follower
from lsml.registry.models import ModelVersion, Project, Promotion
from lsml.registry.shadow import end_shadow

TITLE_CHARS_MAX = 500  # width of the column
NO_PROJECT = ProjectKey(0)  # for requests that name none, such as a test with curl

# Raises NotPromotable if what a promotion was decided on is no longer so. Called with
# the project as it is now, locked until the promotion is committed.
Recheck = Callable[[Project], None]


# --- Projects ---


def get_or_create_project(key: ProjectKey | None) -> Project:
    """Return the project of that key, creating it if necessary.

    One query for a known project. A project that was created without a creation stamp
    takes the first one that is given.
    """
    key = key or NO_PROJECT
    known = Project.objects.select_related("active_version")
    if project := known.with_key(key).first():
        return project
    stamp = key.created_stamp or 0
    if stamp and (
        Project.objects.with_key(ProjectKey(key.labelstudio_id, 0)).update(
            created_stamp=stamp
        )
    ):
        return known.with_key(key).get()
    project, _ = Project.objects.get_or_create(
        labelstudio_id=key.labelstudio_id, created_stamp=stamp
    )
    return project


def find_project(key: ProjectKey) -> Project:
    """Return the project of that key, with its active version.

    Raises:
        UnknownProject: there is none.
    """
    known = Project.objects.select_related("active_version")
    project = known.with_key(key).first()
    if project is None:
        raise UnknownProject(key)
    return project


def update_project(
    *,
    project: Project,
    origin: Origin,
    label_config: str | None = None,
    hostname: str | None = None,
    title: str | None = None,
) -> None:
    """Update a project from what Label Studio sent; writes only changes.

    Raises:
        WireError: the label config cannot be read. Nothing was written.
    """
    changed = {}
    if hostname and hostname != project.hostname:
        changed["hostname"] = hostname[:500]
    if title and title[:TITLE_CHARS_MAX] != project.title:
        changed["title"] = title[:TITLE_CHARS_MAX]
    if label_config and label_config != project.label_config:
        with transaction.atomic():
            _update_label_config(project, label_config, origin)
    if changed:
        Project.objects.filter(pk=project.pk).update(
            **changed, updated_at=timezone.now()
        )
        for name, value in changed.items():
            setattr(project, name, value)


def _update_label_config(project: Project, label_config: str, origin: Origin) -> None:
    config = parse_label_config(label_config)
    before = project.label_config_digest
    project.label_config, project.label_config_digest = label_config, config.digest
    project.save(update_fields=["label_config", "label_config_digest", "updated_at"])
    if config.digest == before:
        return  # only white space differs
    versions = list(project.versions.exclude(label_config=""))
    # Most versions were trained with the same label config, which may be large.
    labels = {
        xml: parse_label_config(xml).labels()
        for xml in {version.label_config for version in versions}
    }
    for version in versions:
        missing = sorted(labels[version.label_config] - config.labels())
        if missing != version.missing_labels:
            ModelVersion.objects.filter(pk=version.pk).update(missing_labels=missing)
    record_entry(
        origin=origin,
        at=timezone.now(),
        actor="label studio",
        verb=AuditEntry.Verb.LABEL_CONFIG_CHANGED,
        target=f"project {project.key}",
        project_pk=project.pk,
        detail={
            "digest": config.digest,
            "before": before,
            "label_config": label_config,
        },
    )


# --- Versions ---


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """The facts of a new version. `ModelVersion` describes each field."""

    version: str = ""  # "" = the next "v<number>"
    parent: ModelVersion | None = None
    artifact_key: str = ""
    artifact_sha256: str = ""
    artifact_bytes: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    snapshot_digest: str = ""
    annotation_count: int = 0
    held_out_tasks: int = 0
    label_config: str = ""
    label_config_digest: str = ""
    code_revision: str = ""
    python_version: str = ""
    packages: dict[str, str] = field(default_factory=dict)


def register_version(
    *, project: Project, facts: VersionFacts, at: datetime, origin: Origin
) -> ModelVersion:
    """Add a version to the project, inside the caller's transaction.

    A model may choose the name. A name that exists gets the version's number appended,
    because a version is never overwritten.
    """
    # The lock keeps numbers unique and without gaps.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    last = project.versions.order_by("-number").values_list("number", flat=True).first()
    number = (last or 0) + 1
    name = facts.version or f"v{number}"
    if project.versions.filter(version=name).exists():
        name = f"{name}-{number}"
    version = ModelVersion.objects.create(
        project=project,
        number=number,
        version=name,
        created_at=at,
        **{
            key: getattr(facts, key)
            for key in VersionFacts.__dataclass_fields__
            if key != "version"
        },
    )
    record_version(version, actor="worker", at=at, origin=origin)
    return version


def record_version(
    version: ModelVersion, *, actor: str, at: datetime, origin: Origin
) -> None:
    """Write a new version's facts to the audit log, inside the caller's transaction."""
    record_entry(
        origin=origin,
        at=at,
        actor=actor,
        verb=AuditEntry.Verb.VERSION_CREATED,
        target=f"version {version.version}",
        project_pk=version.project_id,
        detail=version_facts(version),
    )


def version_facts(version: ModelVersion) -> dict[str, Any]:
    """Return what never changes about a version, as JSON; of large facts a digest."""
    return {
        "version": version.pk,
        "project": version.project_id,
        "number": version.number,
        "name": version.version,
        "parent": version.parent_id,
        "artifact_key": version.artifact_key,
        "artifact_sha256": version.artifact_sha256,
        "artifact_bytes": version.artifact_bytes,
        "snapshot_digest": version.snapshot_digest,
        "annotation_count": version.annotation_count,
        "held_out_tasks": version.held_out_tasks,
        "label_config_digest": version.label_config_digest,
        "label_config_text": digest_of(version.label_config),
        "code_revision": version.code_revision,
        "python_version": version.python_version,
        "packages": digest_of(version.packages),
        "metrics": version.metrics,
        "created_at": version.created_at.isoformat(),
    }


def demand_promotable(*, project: Project, version: ModelVersion | None) -> None:
    """Raise NotPromotable for a version of another project, or an archived one."""
    if version is None:
        return
    if version.project_id != project.pk:
        raise NotPromotable(f"{version.version} belongs to another project.")
    if version.state != ModelVersion.State.READY:
        raise NotPromotable(f"{version.version} is {version.state}.")


def promote(
    *,
    project: Project,
    version: ModelVersion | None,
    actor: str,
    reason: str,
    origin: Origin,
    recheck: Recheck | None = None,
    overrides: str = "",
) -> Promotion:
    """Serve `version` from the next request on, in all processes; None = untrained.

    Loads nothing: a person's promotion goes through `lsml.inference.promotion`.

    Raises:
        NotPromotable: the version belongs to another project, is archived, or is marked
            as not loadable; or `recheck` raises it.
    """
    name = version.version if version else None
    with tracing.step("promote", version=name), transaction.atomic():
        # The lock serializes promotions, so that the last row names the served version.
        locked = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        if recheck is not None:
            recheck(locked)
        if version is not None:  # loading took a while: it may be archived by now
            version.refresh_from_db(fields=["state"])
        demand_promotable(project=project, version=version)
        if version is not None and version.load_error:
            raise NotPromotable(
                f"{version.version} does not load: {version.load_error}"
            )
        promotion = Promotion.objects.create(
            project=project,
            from_version_id=locked.active_version_id,
            to_version=version,
            at=timezone.now(),
            actor=actor,
            reason=masked_text(reason),
            overrides=overrides,
            request_id=origin.request_id,
        )
        locked.active_version = version
        locked.save(update_fields=["active_version", "updated_at"])
        if version is not None and version.pk == locked.shadow_version_id:
            end_shadow(locked, actor=actor, reason="promoted", origin=origin)
        if is_followed(locked):
            wake_follower(locked)
    project.active_version = version
    return promotion
