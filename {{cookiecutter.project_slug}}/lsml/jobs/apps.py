from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "lsml.jobs"
    label = "jobs"
