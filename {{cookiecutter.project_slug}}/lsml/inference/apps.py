from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "lsml.inference"
    label = "inference"

    def ready(self) -> None:
        """Make bulk predictions known as a kind of job."""
        # Only now: the models must be loaded.
        from lsml.inference.bulk import kind
        from lsml.jobs.kinds import register

        register(kind)
