"""The WSGI application, started by gunicorn (see config/gunicorn.py)."""

import os

os.environ.setdefault("LSML_PROCESS", "web")  # short broker time-outs: see settings
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
