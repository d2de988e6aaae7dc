"""The WSGI application, started by gunicorn with config/gunicorn.py."""

import gc
import os
import sys

os.environ.setdefault("LSML_PROCESS", "web")  # short timeouts
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from config.celery import app as celery_app
from lsml.environment.checking import refuse_wrong_settings

application = get_wsgi_application()
refuse_wrong_settings()


def _preload() -> None:
    """Import before the fork what the first requests would otherwise import.

    Each import takes half a second, and Label Studio waits 1 s. The first health check
    needs the views, the first webhook the broker's client.
    """
    _ = get_resolver().url_patterns
    _ = celery_app.connection_for_write().transport
    _ = celery_app.backend, celery_app.events, celery_app.amqp.router
    # Excludes the loaded modules from garbage collection, which would otherwise take a
    # third of a second during a request of each process.
    gc.collect()
    gc.freeze()
    # A webhook gets the interpreter's lock five times as soon as by default: from a
    # model in pure Python, or from many other requests.
    sys.setswitchinterval(0.001)


_preload()
