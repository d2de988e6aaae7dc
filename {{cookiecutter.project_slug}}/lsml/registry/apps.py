from django.apps import AppConfig


class RegistryConfig(AppConfig):
    name = "lsml.registry"
    label = "registry"

    def ready(self) -> None:
        """Register the system checks and the checks of `audit verify`."""
        import lsml.registry.checks  # noqa: F401 - registers itself
        from lsml.audit import facts

        # Only now: the models must be loaded.
        from lsml.registry.facts_check import check_active_versions, check_versions

        facts.register(check_versions)
        facts.register(check_active_versions)
