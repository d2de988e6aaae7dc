from django.apps import AppConfig


class QualityConfig(AppConfig):
    name = "lsml.quality"
    label = "quality"
