"""`manage.py sync`: puts right what webhooks never tell, and says what differed.

They are silent about annotations turned into drafts, changed task data, imports that
bring annotations, and the deletion of all tasks of a project.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from django.db.models import Max
from django.utils import timezone

from lsml.audit.services import record_entry
from lsml.dataset.comparison import Known, bring_up_to_date, remove_tasks
from lsml.dataset.models import Sync
from lsml.dataset.services import writing
from lsml.labelstudio.client import PAGE_SIZE, LabelStudio
from lsml.labelstudio.failures import LabelStudioError
from lsml.labelstudio.identity import ProjectKey
from lsml.labelstudio.reading import JsonObject
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.registry.services import project_from_event

# An older one that was cut off has seen too little of what is there now.
RESUME_WITHIN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is, in tasks; `left` is what Label Studio says is to come."""

    done: int
    left: int


@dataclass(slots=True)
class Report:
    """What differed."""

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
    """Compare the dataset with Label Studio, page by page, and bring it up to date.

    A sync that was cut off goes on after its last page. Each page is one transaction,
    so readers never see half a task.

    Args:
        studio: the Label Studio of the project.
        labelstudio_id: the project's number there.
        actor: who asked, for the audit trail.
        since: only tasks changed at or after it; tasks that are gone are then not seen.
        restart: begin anew even if an earlier sync was cut off.
        page_size: tasks per request.
        on_page: told after each page.

    Raises:
        LabelStudioError: Label Studio does not answer, or says no.
    """
    began = timezone.now()
    origin = Origin.from_command("sync")
    about = studio.project(labelstudio_id)
    project = _meet(about, origin)
    sync = _open(project, since, began, restart=restart)
    report = Report(project, sync.after_task, differences=Counter(sync.differences))
    known = Known.of(project, after=sync.after_task)
    pages = studio.pages(
        labelstudio_id, after=sync.after_task, since=since, page_size=page_size
    )
    for tasks, left in pages:
        _keep_page(sync, report, known, tasks)
        on_page(Progress(report.tasks, left))
    _check_plausible(about, report)
    _finish(sync, report, known, origin, actor)
    return report


def catch_up(*, studio: LabelStudio, project: Project, everything: bool) -> Report:
    """Fetch what changed, after a webhook that did not say what.

    Args:
        studio: the Label Studio of the project.
        project: whose webhook it was.
        everything: also find tasks that are gone; else what changed since the newest
            task known, by Label Studio's own clock.
    """
    newest = project.tasks.aggregate(Max("updated_at"))["updated_at__max"]
    return sync_project(
        studio=studio,
        labelstudio_id=project.labelstudio_id,
        actor="worker",
        since=None if everything else newest,
        restart=True,
    )


def _meet(about: JsonObject, origin: Origin) -> Project:
    key = ProjectKey.from_project_object(about)
    project = project_from_event(key=key, project_object=about, origin=origin)
    return cast("Project", project)  # None only without a key


def _open(
    project: Project, since: datetime | None, began: datetime, *, restart: bool
) -> Sync:
    """The sync to go on with, or a new one."""
    cut_off = Sync.objects.filter(
        project=project,
        since=since,
        finished_at__isnull=True,
        started_at__gt=began - RESUME_WITHIN,
    )
    latest = None if restart else cut_off.order_by("-pk").first()
    return latest or Sync.objects.create(project=project, since=since, started_at=began)


def _keep_page(
    sync: Sync, report: Report, known: Known, tasks: list[JsonObject]
) -> None:
    at = timezone.now()
    last = cast("int", tasks[-1]["id"])
    with writing(sync.project_id):  # a page and the mark behind it appear together
        differences = bring_up_to_date(
            project=sync.project, known=known, tasks=tasks, at=at
        )
        if sync.since is None:
            listed = {task["id"] for task in tasks}
            passed = known.tasks_between(sync.after_task, last)
            differences += remove_tasks(
                project=sync.project,
                task_ids=[number for number in passed if number not in listed],
                at=at,
            )
        report.differences += differences
        report.tasks += len(tasks)
        sync.after_task, sync.differences = last, dict(report.differences)
        sync.save(update_fields=["after_task", "differences"])


def _check_plausible(about: JsonObject, report: Report) -> None:
    """Nothing at all from a project that has tasks must not empty the dataset."""
    if about.get("task_number") and not report.tasks and not report.resumed_after:
        raise LabelStudioError(
            f"Label Studio lists no task of a project with {about['task_number']}.",
            "Use the API key of a user who may see the project's tasks.",
        )


def _finish(
    sync: Sync, report: Report, known: Known, origin: Origin, actor: str
) -> None:
    """What was known behind the last page is gone, then the books are closed."""
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
            verb="dataset synced",
            target=f"project {sync.project.key}",
            project_id=sync.project.pk,
            detail={"tasks": report.tasks, "differences": sync.differences},
        )
