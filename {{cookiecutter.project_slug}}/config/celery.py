"""The Celery application. Started by `celery -A config worker|beat`."""

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
def leave_logging_alone(**_: Any) -> None:
    """Keep the settings' logging: with a receiver here Celery sets up none itself."""
