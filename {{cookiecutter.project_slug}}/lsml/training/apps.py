from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "lsml.training"
    label = "training"

    def ready(self) -> None:
        """Register the system checks, the kind of job and a check of `audit verify`."""
        import lsml.training.checks  # noqa: F401 - registers itself
        from lsml.audit import facts
        from lsml.jobs.kinds import register

        # Only now: the models must be loaded.
        from lsml.training.facts_check import check_runs
        from lsml.training.runs import kind

        register(kind)
        facts.register(check_runs)
