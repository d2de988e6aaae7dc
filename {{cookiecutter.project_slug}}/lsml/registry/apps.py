from django.apps import AppConfig


class RegistryConfig(AppConfig):
    name = "lsml.registry"
    label = "registry"
