from django.apps import AppConfig


class EmbeddedConfig(AppConfig):
    name = "lsml.embedded"
    label = "embedded"
