from django.apps import AppConfig


class QualityConfig(AppConfig):
    name = "lsml.quality"
    label = "quality"

    def ready(self) -> None:
        """Register the system checks and the kind of job."""
        import lsml.quality.checks  # noqa: F401 - registers itself

        # Only now: the models must be loaded.
        from lsml.jobs.kinds import register
        from lsml.quality.evaluation.jobs import kind

        register(kind)
