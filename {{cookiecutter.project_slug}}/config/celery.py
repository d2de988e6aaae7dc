"""The Celery application, started by `celery -A config worker|beat`."""

import os
from typing import Any

from celery import Celery
from celery.signals import (
    beat_init,
    import_modules,
    setup_logging,
    worker_init,
    worker_ready,
)

from lsml.environment import handshake
from lsml.environment.alive import AliveStep
from lsml.environment.checking import refuse_wrong_settings
from lsml.environment.worker import (
    keep_settings_secret,
    refuse_wrong_worker,
    warn_of_missing_queue,
)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Celery would run all system checks and ignore their results. Ours are run below.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

_FETCH_S = 0.05

app = Celery("lsml")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(AliveStep)
import_modules.connect(refuse_wrong_settings)  # in workers and beat
worker_init.connect(refuse_wrong_worker)
worker_init.connect(keep_settings_secret)
worker_ready.connect(warn_of_missing_queue)


@worker_init.connect
@beat_init.connect
def wait_for_go(**_: Any) -> None:
    """Wait for `manage.py dev`, before connecting to the servers."""
    handshake.wait_for_go()


@worker_ready.connect
def report_working(**_: Any) -> None:
    """Tell `manage.py dev` that this worker takes messages."""
    handshake.report_working()


@worker_ready.connect
def fetch_soon(sender: Any, **_: Any) -> None:
    """Fetch the next message soon after a thread has become free.

    With CELERY_WORKER_DISABLE_PREFETCH, Celery's event loop looks for a free thread
    when something wakes it. Without this, that is once a second.
    """
    if sender.hub and app.conf.worker_disable_prefetch:
        sender.hub.call_repeatedly(_FETCH_S, lambda: None)


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Keep the logging of the settings. With a receiver, Celery sets up no logging."""
