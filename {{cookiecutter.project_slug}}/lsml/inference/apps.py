from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "lsml.inference"
    label = "inference"

    def ready(self) -> None:
        import lsml.inference.checks  # noqa: F401 - registers itself
