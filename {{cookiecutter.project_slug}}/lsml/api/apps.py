from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "lsml.api"
    label = "api"

    def ready(self) -> None:
        import lsml.api.checks  # noqa: F401 - registers itself
