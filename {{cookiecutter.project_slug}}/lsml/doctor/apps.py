from django.apps import AppConfig


class DoctorConfig(AppConfig):
    name = "lsml.doctor"
    label = "doctor"
