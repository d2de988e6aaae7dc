from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "lsml.inference"
    label = "inference"
