from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "lsml.api"
    label = "api"
