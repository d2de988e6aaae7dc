from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "lsml.inference"
    label = "inference"

    def ready(self) -> None:
        """Register the system checks and the kind of job."""
        import lsml.inference.checks  # noqa: F401 - registers itself

        # Only now: the models must be loaded.
        from lsml.inference.bulk.jobs import kind
        from lsml.jobs.kinds import register

        register(kind)
