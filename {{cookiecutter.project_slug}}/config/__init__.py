"""Process set-up: settings, URLs, Celery, WSGI. No logic."""
