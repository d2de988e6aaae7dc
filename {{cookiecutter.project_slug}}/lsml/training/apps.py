from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "lsml.training"
    label = "training"

    def ready(self) -> None:
        """Register the system checks and the kind of job."""
        import lsml.training.checks  # noqa: F401 - registers itself
        from lsml.jobs.kinds import register

        # Only now: the models must be loaded.
        from lsml.training.runs import kind

        register(kind)
