"""The Celery task that removes what nobody can log in with any more."""

from importlib import import_module

from celery import shared_task
from django.conf import settings
from django.utils import timezone
from knox.models import AuthToken


@shared_task
def remove_expired_logins() -> None:
    """Remove expired sessions and API tokens. The audit log keeps who had a token."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    AuthToken.objects.filter(expiry__lt=timezone.now()).delete()
