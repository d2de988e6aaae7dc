"""The addresses of all pages of the admin."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.urls import reverse

from benchmarks.page.data import USER
from lsml.audit.models import Prediction
from lsml.console.links import list_of, page_of
from lsml.registry.models import ModelVersion
from lsml.training.models import TrainingRun


@dataclass(frozen=True, slots=True)
class Page:
    """One page; `kind` is home, list or other."""

    kind: str
    name: str
    path: str


def all_pages() -> list[Page]:
    """Return the home page, all lists, a detail page of each table, and the others."""
    return [Page("home", "home", reverse("admin:index")), *_lists(), *_others()]


def _lists() -> Iterator[Page]:
    """Yield of each list the first page, each filter, a search and the next page."""
    for model, model_admin in admin.site._registry.items():
        request: Any = RequestFactory().get("/")
        request.user = User.objects.get(username=USER)
        changes = model_admin.get_changelist_instance(request)
        name, path = str(model._meta.verbose_name_plural), list_of(model)
        yield Page("list", name, path)
        if changes.older:
            yield Page("list", f"{name}, next page", path + changes.older_link)
        for spec in changes.filter_specs:
            for value, label in list(spec.lookup_choices)[-1:]:
                query = urlencode({spec.parameter_name: value})
                yield Page("list", f"{name}, {spec.title} {label}", f"{path}?{query}")
        if changes.search_fields:
            yield Page("list", f"{name}, search", f"{path}?q=7")
    newest = Prediction.objects.filter(request_id__startswith="seed-").latest("pk")
    of_version = list_of(
        Prediction, project=newest.project_pk, version=newest.model_version
    )
    yield Page("list", "predictions, of a version", of_version)


def _others() -> Iterator[Page]:
    for model in admin.site._registry:
        if row := model._default_manager.order_by("-pk").first():
            name = f"one of {model._meta.verbose_name_plural}"
            yield Page("other", name, page_of(row))
    seeded = Prediction.objects.filter(request_id__startswith="seed-").latest("pk")
    yield Page("other", "a prediction of a text", page_of(seeded))
    version = ModelVersion.objects.filter(run__isnull=False).latest("pk")
    run = TrainingRun.objects.filter(state="running").latest("pk")

    def page(name: str, *arguments: Any, query: str = "") -> Page:
        path = reverse(f"admin:console_{name}", args=arguments)
        return Page("other", name.replace("_", " "), path + query)

    yield page("promote", version.project_id, query=f"?version={version.version}")
    yield page("roll_back", version.project_id)
    yield page("timeline", version.project_id)
    yield page("policy", version.project_id)
    yield page("compare", version.pk, query="?with=v1")
    yield page("job_progress", "training", run.pk)
    yield page("cancel", "training", run.pk)
    yield page("export")
    yield page("models")
    yield page("workers")
    yield Page("other", "change the password", reverse("admin:password_change"))
