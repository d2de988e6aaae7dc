from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccessConfig(AppConfig):
    name = "lsml.access"
    label = "access"

    def ready(self) -> None:
        from lsml.access.roles import create_roles  # needs the apps to be loaded

        post_migrate.connect(create_roles, sender=self, dispatch_uid="access-roles")
