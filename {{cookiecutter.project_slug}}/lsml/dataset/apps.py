from django.apps import AppConfig


class DatasetConfig(AppConfig):
    name = "lsml.dataset"
    label = "dataset"
