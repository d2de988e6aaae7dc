from django.apps import AppConfig


class BackupConfig(AppConfig):
    name = "lsml.backup"
    label = "backup"
