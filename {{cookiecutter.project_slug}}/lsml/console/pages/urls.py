"""Addresses below /admin/console/."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.http import HttpResponse
from django.urls import URLPattern, path

from lsml.console.pages import fragments, run, serving

if TYPE_CHECKING:
    from lsml.console.site import ConsoleSite


def page_urls(site: "ConsoleSite") -> list[URLPattern]:
    """Every page of the console that is no model's own."""

    def page(route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        # admin_view sends whoever is not logged in to the login page.
        found: URLPattern = path(
            f"console/{route}", site.admin_view(view), name=f"console_{name}"
        )
        return found

    return [
        page("project/<int:pk>/serve/", serving.serve, "serve"),
        page("project/<int:pk>/roll-back/", serving.roll_back, "roll_back"),
        page("run/<int:pk>/cancel/", run.cancel, "cancel"),
        page("run/<int:pk>/retry/", run.retry, "retry"),
        page("run/<int:pk>/progress/", fragments.progress, "progress"),
        page("workers/", fragments.workers, "workers"),
    ]
