"""A process that was not told what it is knows it by its command line."""

import pytest

from lsml.environment.command_line import process_of


@pytest.mark.parametrize(
    ("line", "process"),
    [
        ("/venv/bin/celery -A config worker --queues default", "worker"),
        ("/lib/celery/__main__.py --app config beat", "beat"),
        ("celery --app config worker --beat", "worker"),
        ("celery --app config inspect ping", "command"),
        ("manage.py dev --port 9091", "dev"),
        ("manage.py worker", "command"),
        ("manage.py", "command"),
        ("/venv/bin/gunicorn config.wsgi", "command"),
        ("", "command"),
    ],
)
def test_the_kind_of_process(line, process):
    assert process_of(line.split(" ")) == process
