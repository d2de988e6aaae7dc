"""People read lines that concern them: none that only alarm, none beside a command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kombu import Connection

from lsml.observability.logs import _renderer


def test_a_message_that_a_stopping_worker_puts_back_is_no_warning(caplog):
    with Connection("memory://") as connection:
        queue = connection.SimpleQueue("default")
        queue.put("wake")
        queue.consumer.cancel()  # as a worker does that stops
        channel = connection.default_channel
        channel.connection._deliver(channel._get("default"), "default")
        assert queue.qsize() == 1
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("/a\nb", r"\n"),
        ("/a\rb", r"\r"),
        ("/\x1b[2J", r"\x1b"),
        ("/\x9b2J", r"\x9b"),
        ("/\u2028b", r"\u2028"),
        ("/\u202eb", r"\u202e"),
    ],
)
def test_what_a_caller_sends_cannot_write_a_line_or_control_a_terminal(sent, shown):
    render = _renderer("console")
    line = render(None, "info", {"event": "request", "level": "info", "path": sent})
    assert shown in line
    assert line.isprintable()


def test_a_traceback_keeps_its_lines_and_a_text_its_letters():
    event = {"event": "failed", "level": "error", "exception": "Traceback:\n\tåß 文"}
    assert "Traceback:\n\tåß 文" in _renderer("console")(None, "error", event)


@pytest.mark.slow
def test_a_command_whose_output_is_read_in_part_ends_quietly():
    reader, writer = os.pipe()
    os.close(reader)  # as `manage.py help | head` does, at some time
    done = subprocess.run(
        [sys.executable, "manage.py", "help"],
        cwd=Path(__file__).parents[3],
        check=False,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "x" * 60,
        },
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


# --- Which process logs what ---

LOG_ONCE = """
import sys
sys.argv[0] = {program!r}
import structlog
import config.settings
structlog.get_logger("lsml").info("version promoted", version="v3")
structlog.get_logger("lsml").warning("disk nearly full")
"""


def logged_by(program, **environment):
    done = subprocess.run(
        [sys.executable, "-c", LOG_ONCE.format(program=program)],
        cwd=Path(__file__).parents[3],
        check=True,
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "x" * 60,
            **environment,
        },
    )
    return done.stderr


@pytest.mark.slow
def test_a_command_logs_only_warnings_and_in_words():
    logged = logged_by("manage.py")
    assert "disk nearly full" in logged
    assert "version promoted" not in logged
    assert "{" not in logged


@pytest.mark.slow
def test_a_command_logs_what_the_environment_says():
    logged = logged_by("manage.py", LOG_LEVEL="INFO", LOG_FORMAT="json")
    assert '"event": "version promoted"' in logged


@pytest.mark.slow
@pytest.mark.parametrize("program", ["celery", "gunicorn"])
def test_a_service_logs_events_as_json(program):
    assert '"event": "version promoted"' in logged_by(program)
