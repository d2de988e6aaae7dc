from django.apps import AppConfig


class EnvironmentConfig(AppConfig):
    name = "lsml.environment"
    label = "environment"

    def ready(self) -> None:
        import lsml.environment.checks  # noqa: F401 - registers itself
