from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "lsml.audit"
    label = "audit"
