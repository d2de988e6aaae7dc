from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "lsml.audit"
    label = "audit"

    def ready(self) -> None:
        """Make verifications and exports known as a kind of job."""
        # Only now: the models must be loaded.
        from lsml.audit.jobs import kind
        from lsml.jobs.kinds import register

        register(kind)
