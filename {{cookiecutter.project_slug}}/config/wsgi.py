"""The WSGI application, started by gunicorn (see config/gunicorn.py)."""

import gc
import os

os.environ.setdefault("LSML_PROCESS", "web")  # short broker time-outs: see settings
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from config.celery import app as celery_app
from lsml.environment.checking import refuse_wrong_settings

application = get_wsgi_application()
refuse_wrong_settings()


def _import_what_requests_need() -> None:
    """Load, before the workers fork, what else the first requests would import.

    Label Studio hangs up after 1 s, and each of these costs half a second of it: the
    views in the first health check, the broker's client in the first webhook.
    """
    _ = get_resolver().url_patterns
    _ = celery_app.connection_for_write().transport
    _ = celery_app.backend, celery_app.events, celery_app.amqp.router
    # What is loaded by now stays: looking through all of it for garbage would take a
    # third of a second, in the middle of some request of each process.
    gc.collect()
    gc.freeze()


_import_what_requests_need()
