from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "lsml.audit"
    label = "audit"

    def ready(self) -> None:
        """Register the system checks, the kind of job and the check of the counts."""
        import lsml.audit.checks  # noqa: F401 - registers itself

        # Only now: the models must be loaded.
        from lsml.audit import facts
        from lsml.audit.hours_check import check_hours
        from lsml.audit.jobs import kind
        from lsml.jobs.kinds import register

        register(kind)
        facts.register(check_hours)
