"""The page that shows which models are in memory, and what waits for them."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from lsml.console.pages.base import needs, page
from lsml.inference.placement import Models, ModelsElsewhere, models
from lsml.inference.status import LoadedModel
from lsml.model_process.errors import ModelProcessUnavailable, NoAnswerInTime
from lsml.model_process.processes import SERVING, model_processes
from lsml.registry.models import Project


@needs("read")
def models_in_memory(request: HttpRequest) -> HttpResponse:
    """Show the model processes. With MODEL_PLACEMENT=web, show this web process."""
    processes = [
        {"in_background": process is not SERVING, **_figures(ModelsElsewhere(process))}
        for process in model_processes()
    ]
    context = {
        "title": _("Models in memory"),
        "in_web": settings.MODEL_PLACEMENT == "web",
        "processes": processes or [_figures(models())],
    }
    return page(request, "console/models.html", context)


def _figures(found: Models) -> dict[str, Any]:
    try:
        status = found.status()
    except (ModelProcessUnavailable, NoAnswerInTime) as error:
        return {"error": str(error)}
    return {
        "status": status,
        "cache": status.task_cache,
        "cache_megabytes": status.task_cache.total_bytes / 2**20,
        "rows": _rows(status.models),
    }


def _rows(loaded: list[LoadedModel]) -> list[dict[str, Any]]:
    keys = {model.project_pk for model in loaded}
    projects = Project.objects.select_related("active_version").in_bulk(keys)
    return [
        {
            "model": model,
            "project": project,
            "is_served": project.served_version == model.version,
        }
        for model in loaded
        if (project := projects.get(model.project_pk))
    ]
