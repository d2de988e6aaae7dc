from django.apps import AppConfig


class DatasetConfig(AppConfig):
    name = "lsml.dataset"
    label = "dataset"

    def ready(self) -> None:
        """Register the checks of `audit verify`."""
        from lsml.audit import facts

        # Only now: the models must be loaded.
        from lsml.dataset.facts_check import check_annotations, check_snapshots

        facts.register(check_snapshots)
        facts.register(check_annotations)
