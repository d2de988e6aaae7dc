"""What to label next: the unlabelled tasks of a project, ranked."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lsml.console.pages.base import needs, page, shows_report
from lsml.dataset.models import Task
from lsml.observability.origin import Origin
from lsml.quality.budget import one_report
from lsml.quality.next import services
from lsml.quality.next.services import Strategy
from lsml.registry.models import Project

_SHOWN: Final = 50
_EXPLAINED: Final[dict[Strategy, Any]] = {
    Strategy.UNCERTAINTY: gettext_lazy(
        "Unlabelled tasks with the lowest scores of the served version."
    ),
    Strategy.DIVERSE: gettext_lazy(
        "Unlabelled tasks that many others resemble, while no labelled task does: by"
        " the model's embeddings, or by the wording of their texts."
    ),
    Strategy.DISAGREEMENT: gettext_lazy(
        "Unlabelled tasks that the latest versions answer differently."
    ),
    Strategy.RANDOM: gettext_lazy("A random sample of the unlabelled tasks."),
}


@needs("read")
@shows_report
def next_tasks(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the first tasks of the strategy in `?strategy=`."""
    projects = Project.objects.select_related("active_version")
    project = get_object_or_404(projects, pk=pk)
    wanted = request.GET.get("strategy", "")
    strategy = Strategy(wanted) if wanted in Strategy else Strategy.UNCERTAINTY
    with one_report() as budget:
        found = services.next_tasks(
            project=project,
            limit=_SHOWN,
            origin=Origin.from_request(request),
            strategy=strategy,
            budget=budget,
        )
    ids = [task.task_id for task in found.results]
    known = Task.objects.filter(project=project, task_id__in=ids)
    by_id = {task.task_id: task for task in known}
    context = {
        "title": _("What to label next in %(project)s") % {"project": project},
        "strategies": Strategy.choices,
        "strategy": strategy,
        "explained": _EXPLAINED[strategy],
        "notes": found.notes,
        "tasks": [(task, by_id.get(task.task_id)) for task in found.results],
        "project": project,
    }
    return page(request, "console/next.html", context)
