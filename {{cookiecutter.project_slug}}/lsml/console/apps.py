"""The Django admin: home, lists, detail pages, actions."""

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin import apps as admin_apps
from django.contrib.admin import autodiscover


class ConsoleConfig(AppConfig):
    default = True
    name = "lsml.console"
    label = "console"

    def ready(self) -> None:
        import lsml.console.checks  # noqa: F401 - registers itself
        from lsml.console import logins

        logins.connect()


class ConsoleAdminConfig(admin_apps.SimpleAdminConfig):
    """Django's admin with ConsoleSite as its site."""

    default = False
    default_site = "lsml.console.site.ConsoleSite"

    def ready(self) -> None:
        super().ready()
        # Only web shows pages, and commands check them. Loading them takes as long as
        # all models.
        if settings.PROCESS in {"web", "command"}:
            autodiscover()
