"""`manage.py dev`: runs the whole service in the foreground of one terminal."""

import http.client
import os
import signal
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from lsml.embedded import addresses
from lsml.embedded.errors import ServerError
from lsml.embedded.folders import Hold, prepare_folders
from lsml.embedded.programs import Say
from lsml.embedded.servers import running
from lsml.embedded.supervisor import Service, ServiceDied, Supervisor
from lsml.environment.checking import MODEL_TAG, TAG
from lsml.environment.handshake import Handshake
from lsml.model_process import client
from lsml.model_process.address import socket_of
from lsml.model_process.errors import ModelProcessUnavailable, NoAnswerInTime

# These warnings apply to every development machine, so they are hidden.
QUIET_WARNINGS = "ignore:No directory at,ignore:You're running the worker"
# Time without an answer of the service after which a message is printed.
SLOW_START_S = 20.0
_PORT_MAX = 65_535
_GUNICORN = [sys.executable, "-m", "gunicorn", "-c"]
_CELERY = [sys.executable, "-m", "celery", "--quiet", "--app", "config"]
_MODEL = [*_GUNICORN, "config/gunicorn_model.py", "config.model_process"]
_NICE = 10  # of what nobody waits for
_WORKERS = [("worker", "default", 4), ("training", "training", 2)]


class Command(BaseCommand):
    help = "Run the whole service: web, workers, beat and, by default, the servers."
    requires_system_checks: list[str] = []  # the started processes run the checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port",
            default=os.environ.get("PORT", "9090"),
            help="port of the web process (default: PORT, or 9090)",
        )

    def handle(self, *_: Any, port: str, **__: Any) -> None:
        number = _number(port)
        try:
            with ExitStack() as stack:
                _unwind_on_signals()
                stack.enter_context(_only_one())
                _check_port(number)
                self.check(tags=[TAG, Tags.security])
                supervisor = Supervisor(folder=settings.BASE_DIR, write=self._write)
                stack.callback(supervisor.stop)  # if a server does not start
                handshake = Handshake()
                for service in _services(number, handshake):
                    supervisor.start(service)
                stack.enter_context(self._servers())
                stack.callback(supervisor.stop)  # before the servers
                self.check(tags=[Tags.database], databases=["default"])
                call_command("prepare")
                self._serve(number, supervisor, handshake)
        except (ServerError, ServiceDied) as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(
                f"The database does not answer: {str(error).strip()}. Check"
                " DATABASE_URL, or unset it to use the embedded server."
            ) from error

    def _servers(self) -> AbstractContextManager[None]:
        broker_url = addresses.broker_url(settings.DATA_DIR)
        return running(
            settings.DATA_DIR,
            postgres=not settings.DATABASE_URL,
            broker=broker_url == settings.CELERY_BROKER_URL,
            say=self._say,
        )

    def _serve(self, port: int, supervisor: Supervisor, handshake: Handshake) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: supervisor.request_stop())

        def once_ready() -> None:
            if handshake.lacks_model():
                self.check(tags=[MODEL_TAG], databases=["default"])
            self._say_where(port)
            handshake.ready()
            # Last, because nothing waits for them, and loading them takes CPU time.
            supervisor.start(_beat(port))
            for service in _background_model_process(port):
                supervisor.start(service)

        handshake.go()
        supervisor.run(_WhenReady(port, handshake, once_ready, self._say))
        self._say("stopping …")
        supervisor.stop()

    def _say_where(self, port: int) -> None:
        where = f"http://{_host()}:{port}"
        self._say(f"ready: {where}")
        self._say(f"admin: {where}/admin/")
        if name := os.environ.get("ADMIN_USER"):
            self._say(f"user:  {name} (its password is ADMIN_PASSWORD in .env)")

    def _say(self, line: str) -> None:
        self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        self.stdout.write(text, ending="")
        self.stdout.flush()


class _WhenReady:
    """Looks at each call whether all is ready, and then runs `then` once."""

    def __init__(
        self, port: int, handshake: Handshake, then: Callable[[], None], say: Say
    ) -> None:
        self._port = port
        self._handshake = handshake
        self._then = then
        self._say = say
        self._ready = False
        self._begun = time.monotonic()

    def __call__(self) -> None:
        if self._ready:
            return
        if self._handshake.all_work() and _is_ready(self._port) and _model_is_ready():
            self._ready = True
            self._then()
        elif time.monotonic() - self._begun > SLOW_START_S:
            self._begun = time.monotonic()
            self._say("the service does not answer yet; see its output above …")


def _services(port: int, handshake: Handshake) -> list[Service]:
    """Return the processes without which the service is not ready."""
    return [
        Service(
            "web",
            [*_GUNICORN, "config/gunicorn.py", "config.wsgi"],
            {**_shared(port), "LSML_PROCESS": "web"},
            handshake.web,
        ),
        *_model_process(port, handshake),
        *(
            Service(
                name,
                [*_CELERY, *worker_arguments(queue, threads=threads)],
                {**_shared(port), "LSML_PROCESS": "worker"},
                handshake.worker,
            )
            for name, queue, threads in _WORKERS
        ),
    ]


def _beat(port: int) -> Service:
    return Service(
        "beat", [*_CELERY, "beat"], {**_shared(port), "LSML_PROCESS": "beat"}
    )


def _shared(port: int) -> dict[str, str]:
    """Return the environment of all processes."""
    return {
        "BACKGROUND_MODEL_URL": _background_model_url(),
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", QUIET_WARNINGS),
        # A person reads the output, so the default of LOG_FORMAT is console.
        "LOG_FORMAT": os.environ.get("LOG_FORMAT", "console"),
        "WEB_GRACE_S": "3",
    }


def _background_model_url() -> str:
    if settings.BACKGROUND_MODEL_URL or not _has_model_process(settings.MODEL_URL):
        return str(settings.BACKGROUND_MODEL_URL)
    return addresses.background_model_url(settings.DATA_DIR)


def _has_model_process(url: str) -> bool:
    # One that others reach by HTTP runs elsewhere.
    return settings.MODEL_PLACEMENT == "process" and socket_of(url) is not None


def _model_is_ready() -> bool:
    try:
        return not _has_model_process(settings.MODEL_URL) or bool(
            client.send("GET", "/live", timeout_s=1)
        )
    except (ModelProcessUnavailable, NoAnswerInTime):
        return False


def _model_process(port: int, handshake: Handshake) -> list[Service]:
    if not _has_model_process(settings.MODEL_URL):
        return []
    environment = {"LSML_PROCESS": "model", "MODEL_URL": settings.MODEL_URL}
    return [Service("model", _MODEL, _shared(port) | environment, handshake.web)]


def _background_model_process(port: int) -> list[Service]:
    url = _background_model_url()
    if not _has_model_process(url):
        return []
    environment = {
        "LSML_PROCESS": "model",
        "MODEL_URL": url,
        "MODELS_IDLE_MAX_S": os.environ.get("MODELS_IDLE_MAX_S", "600"),
    }
    return [Service("background", _MODEL, _shared(port) | environment, nice=_NICE)]


def worker_arguments(queue: str, *, threads: int) -> list[str]:
    """Return the arguments of a Celery worker for one queue and beat's messages."""
    return [
        *("worker", "--queues", f"{queue},scheduled", "--hostname", f"{queue}@%h"),
        *("--pool", "threads", "--concurrency", str(threads)),
        # Workers do not need to exchange messages, so they start without them.
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


def _unwind_on_signals() -> None:
    """Make SIGTERM and SIGHUP unwind like Ctrl-C, so that the servers stop."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


@contextmanager
def _only_one() -> Iterator[None]:
    prepare_folders(settings.DATA_DIR)
    hold = Hold(settings.DATA_DIR / "dev.lock")
    try:
        if not hold.try_exclusive():
            raise CommandError(
                "Another `make dev` is running in this folder: stop it first (Ctrl-C in"
                " its terminal), or set LSML_DATA_DIR to another folder."
            )
        yield
    finally:
        hold.release()


def _number(port: str) -> int:
    if port.isdecimal() and 1 <= int(port) <= _PORT_MAX:
        return int(port)
    raise CommandError(
        f"{port!r} is not a port: choose a number from 1 to {_PORT_MAX}, for example"
        " `make dev PORT=9091`."
    )


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((os.environ.get("BIND_HOST", "127.0.0.1"), port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be used ({error.strerror}): choose another one,"
                f" for example `make dev PORT={port + 1}`."
            ) from error


def _host() -> str:
    bound = os.environ.get("BIND_HOST", "")
    return "127.0.0.1" if bound in {"", "0.0.0.0"} else bound  # noqa: S104


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(_host(), port, timeout=1)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
