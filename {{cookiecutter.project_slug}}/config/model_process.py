"""The model process's WSGI application, started with config/gunicorn_model.py."""

import gc
import os
import sys

os.environ.setdefault("LSML_PROCESS", "model")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()  # before the application is imported

from lsml.environment.checking import refuse_wrong_settings  # noqa: E402 - see above
from lsml.inference.serving.app import application  # noqa: E402 - see above

__all__ = ["application"]

refuse_wrong_settings()
# The worker shares the memory of the loaded modules with gunicorn's master, until it
# writes to it. Garbage collection would.
gc.collect()
gc.freeze()
# A model in pure Python holds the interpreter's lock. Other threads get it five times
# as soon as by default.
sys.setswitchinterval(0.001)
