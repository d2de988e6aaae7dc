from django.apps import AppConfig


class RegistryConfig(AppConfig):
    name = "lsml.registry"
    label = "registry"

    def ready(self) -> None:
        import lsml.registry.checks  # noqa: F401 - registers itself
