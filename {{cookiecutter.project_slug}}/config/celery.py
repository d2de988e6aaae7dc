"""The Celery application, started by `celery -A config worker|beat`."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init

from lsml.environment.checking import refuse_wrong_settings
from lsml.environment.worker import refuse_wrong_worker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("lsml")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
worker_init.connect(refuse_wrong_worker)
beat_init.connect(refuse_wrong_settings)


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Keep the logging of the settings. With a receiver, Celery sets up no logging."""
