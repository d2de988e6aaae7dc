from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "lsml.training"
    label = "training"
