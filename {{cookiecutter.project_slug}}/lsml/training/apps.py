from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "lsml.training"
    label = "training"

    def ready(self) -> None:
        import lsml.training.checks  # noqa: F401 - registers itself
