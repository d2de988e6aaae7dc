"""Reconciles a project's dataset with Label Studio, for `manage.py sync` and workers.

Label Studio sends no webhook for annotations turned into drafts, changed task data,
imports that bring annotations, and the deletion of all tasks of a project.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from django.db.models import Max
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.dataset.models import Sync
from lsml.dataset.reconcile import (
    Known,
    listed_ids,
    reconcile_page,
    remove_tasks,
)
from lsml.dataset.services import writing
from lsml.labelstudio.client import PAGE_SIZE, LabelStudio
from lsml.labelstudio.failures import LabelStudioError
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.reading import JsonObject
from lsml.observability.origin import Origin
from lsml.registry.events import project_from_event
from lsml.registry.models import Project

# Tasks that an older, interrupted sync has read may have changed since.
RESUME_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is, in tasks; `left` is Label Studio's count."""

    done: int
    left: int


@dataclass(slots=True)
class Report:
    """The result of a sync."""

    project: Project
    resumed_after: int  # task id; 0 = from the start
    tasks: int = 0  # compared in this run
    differences: Counter[str] = field(default_factory=Counter)


def sync_project(
    *,
    studio: LabelStudio,
    labelstudio_id: int,
    actor: str,
    since: datetime | None = None,
    restart: bool = False,
    page_size: int = PAGE_SIZE,
    on_page: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Compare the dataset with Label Studio, page by page, and correct the dataset.

    An interrupted sync is resumed after its last page. Each page is one transaction, so
    readers never see half a task.

    Args:
        studio: the Label Studio of the project.
        labelstudio_id: the project's ID there.
        actor: who requested it, for the audit log.
        since: only tasks changed at or after it; deleted tasks are then not detected.
        restart: start from the first task even if an earlier sync was interrupted.
        page_size: tasks per request.
        on_page: called after each page.

    Raises:
        LabelStudioError: Label Studio does not answer, or refuses.
    """
    began = timezone.now()
    origin = Origin.from_command("sync")
    about = studio.project(labelstudio_id)
    project = _get_or_create_project(about, origin)
    sync = _resume_or_create(project, since, began, restart=restart)
    report = Report(project, sync.after_task, differences=Counter(sync.differences))
    known = Known.of(project, after=sync.after_task)
    pages = studio.pages(
        labelstudio_id, after=sync.after_task, since=since, page_size=page_size
    )
    for tasks, left in pages:
        _apply_page(sync, report, known, tasks)
        on_page(Progress(report.tasks, left))
    _refuse_empty_list(about, report)
    _finish(sync, report, known, origin, actor)
    return report


def catch_up(*, studio: LabelStudio, project: Project, everything: bool) -> Report:
    """Fetch what changed, after a webhook that came without its payload.

    Args:
        studio: the Label Studio of the project.
        project: the project of the webhook.
        everything: read every task, which detects deleted ones; otherwise only tasks
            changed since the newest known one.
    """
    # Both times are Label Studio's, so it does not matter whether our clock agrees.
    newest = project.tasks.aggregate(Max("updated_at"))["updated_at__max"]
    return sync_project(
        studio=studio,
        labelstudio_id=project.labelstudio_id,
        actor="worker",
        since=None if everything else newest,
        restart=True,
    )


def _get_or_create_project(about: JsonObject, origin: Origin) -> Project:
    key = ProjectKey.from_project_object(about)
    project = project_from_event(key=key, project_object=about, origin=origin)
    return cast("Project", project)  # None only if there is no key


def _resume_or_create(
    project: Project, since: datetime | None, began: datetime, *, restart: bool
) -> Sync:
    interrupted = Sync.objects.filter(
        project=project,
        since=since,
        finished_at__isnull=True,
        started_at__gt=began - RESUME_WITHIN,
    )
    latest = None if restart else interrupted.order_by("-pk").first()
    return latest or Sync.objects.create(project=project, since=since, started_at=began)


def _apply_page(
    sync: Sync, report: Report, known: Known, tasks: list[JsonObject]
) -> None:
    at = timezone.now()
    listed = listed_ids(tasks)
    last = listed[-1]
    with writing(sync.project_id):  # a page and `after_task` are committed together
        differences = reconcile_page(
            project=sync.project, known=known, tasks=tasks, at=at
        )
        if sync.since is None:
            expected = known.tasks_between(sync.after_task, last)
            differences += remove_tasks(
                project=sync.project,
                task_ids=sorted(set(expected).difference(listed)),
                at=at,
            )
        report.differences += differences
        report.tasks += len(tasks)
        sync.after_task, sync.differences = last, dict(report.differences)
        sync.save(update_fields=["after_task", "differences"])


def _refuse_empty_list(about: JsonObject, report: Report) -> None:
    # Otherwise a token that may not see the tasks would empty the dataset.
    if about.get("task_number") and not report.tasks and not report.resumed_after:
        raise LabelStudioError(
            f"Label Studio lists no task of a project that has {about['task_number']}.",
            "Use the API key of a user who may view the project's tasks.",
        )


def _finish(
    sync: Sync, report: Report, known: Known, origin: Origin, actor: str
) -> None:
    """Remove the tasks known beyond the last page, and record the sync."""
    at = timezone.now()
    with writing(sync.project.pk):
        if sync.since is None:
            rest = known.tasks_between(sync.after_task, None)
            report.differences += remove_tasks(
                project=sync.project, task_ids=rest, at=at
            )
        sync.differences, sync.finished_at = dict(report.differences), at
        sync.save(update_fields=["differences", "finished_at"])
        record_entry(
            origin=origin,
            at=at,
            actor=actor,
            verb=AuditEntry.Verb.DATASET_SYNCED,
            target=f"project {sync.project.key}",
            project_pk=sync.project.pk,
            detail={"tasks": report.tasks, "differences": sync.differences},
        )
