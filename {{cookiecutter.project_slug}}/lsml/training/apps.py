from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "lsml.training"
    label = "training"

    def ready(self) -> None:
        """Make training runs known as a kind of job."""
        from lsml.jobs.kinds import register

        # Only now: the models must be loaded.
        from lsml.training.runs import kind

        register(kind)
