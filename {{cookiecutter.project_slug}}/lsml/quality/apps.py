from django.apps import AppConfig


class QualityConfig(AppConfig):
    name = "lsml.quality"
    label = "quality"

    def ready(self) -> None:
        """Register the kind of job."""
        # Only now: the models must be loaded.
        from lsml.jobs.kinds import register
        from lsml.quality.evaluation.jobs import kind

        register(kind)
