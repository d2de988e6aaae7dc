"""The Django admin: home, lists, detail pages, actions."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConsoleConfig(AppConfig):
    default = True
    name = "lsml.console"
    label = "console"

    def ready(self) -> None:
        import lsml.console.checks  # noqa: F401 - registers itself
        from lsml.console import logins

        logins.connect()


class ConsoleAdminConfig(admin_apps.AdminConfig):
    """Django's admin with ConsoleSite as its site."""

    default = False
    default_site = "lsml.console.site.ConsoleSite"
