"""The admin site: Django's with unfold's design, our home page and our own pages."""

from typing import Any

from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern
from unfold.sites import UnfoldAdminSite


class ConsoleSite(UnfoldAdminSite):
    """The site at `/admin/`."""

    index_template = "console/home.html"
    enable_nav_sidebar = True

    def extra_urls(self) -> list[URLPattern]:
        """Return the URLs of the pages other than lists and detail pages."""
        from lsml.console.pages.urls import page_urls

        return page_urls(self)

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[Any]:
        """Return nothing: sidebar.py lists what the sidebar shows."""
        return []

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show the home page."""
        from lsml.console.pages.home import home_context

        answer: TemplateResponse = super().index(
            request, home_context(request) | (extra_context or {})
        )
        return answer
