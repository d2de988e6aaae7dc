from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "lsml.audit"
    label = "audit"

    def ready(self) -> None:
        """Register the system checks and the kind of job."""
        import lsml.audit.checks  # noqa: F401 - registers itself

        # Only now: the models must be loaded.
        from lsml.audit.jobs import kind
        from lsml.jobs.kinds import register

        register(kind)
