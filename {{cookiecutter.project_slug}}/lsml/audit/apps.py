from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "lsml.audit"
    label = "audit"

    def ready(self) -> None:
        import lsml.audit.checks  # noqa: F401 - registers itself
