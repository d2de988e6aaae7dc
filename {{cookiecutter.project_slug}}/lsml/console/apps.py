from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "lsml.console"
    label = "console"
