"""The service on this machine, for benchmarks: servers, web and the model process."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import Request, send_once
from tests.chaos.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
LABEL_CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text">'
    '<Choice value="Positive"/></Choices></View>'
)
HEADERS = {"Authorization": "Basic " + base64.b64encode(b"bench:bench").decode()}
CREATED = 1795433940  # Unix seconds of every project, which Label Studio sends, too
_READY_S = 60.0


@contextmanager
def servers(folder: Path, *, broker: bool = True) -> Iterator[None]:
    """Run PostgreSQL with durable commits, migrated, and set up Django for it."""
    os.environ |= {
        "ENV_FILE": os.devnull,
        "LSML_DATA_DIR": str(folder),
        "SECRET_KEY": "bench-" + "x" * 50,
        "MODEL_CLASS": "tests.models.constant.ConstantModel",
        "BASIC_AUTH_USER": "bench",
        "BASIC_AUTH_PASS": "bench",
        "HTTPS": "false",
        "LOG_LEVEL": "WARNING",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONWARNINGS": "ignore",
    }
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from lsml.embedded.servers import running

    with running(folder, broker=broker):
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connections.close_all()


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    port: int
    environment: dict[str, str]
    web: subprocess.Popen[bytes]
    model: subprocess.Popen[bytes] | None  # None = the models are in the web processes

    def predict(
        self, *, project: int = 1, task: int = 1, context: Any = None
    ) -> Request:
        """Return a request to predict one task."""
        body = {
            "tasks": [{"id": task, "data": {"text": "I love this product"}}],
            "project": f"{project}.{CREATED}",
            "label_config": LABEL_CONFIG,
            "params": {"login": None, "password": None, "context": context},
        }
        return Request(self.port, "/predict", json.dumps(body).encode(), HEADERS)

    def start_command(self, *words: str) -> subprocess.Popen[bytes]:
        """Start one of the project's commands."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment | {"LSML_PROCESS": "worker"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def pids(self) -> list[int]:
        """Return the process ids of web and the model process, masters included."""
        masters = [each.pid for each in (self.web, self.model) if each]
        return masters + [child for master in masters for child in children_of(master)]


@contextmanager
def service(
    folder: Path,
    *,
    model: str,
    placement: str,
    background: bool = False,
    **environment: str,
) -> Iterator[Service]:
    """Run web processes, and the model process if the placement needs it.

    Args:
        folder: The data folder of `servers`.
        model: MODEL_CLASS.
        placement: MODEL_PLACEMENT.
        background: Run a background model process as well, as `manage.py dev` does.
        environment: Other variables.
    """
    port = free_port()
    everything = {
        **os.environ,
        "MODEL_CLASS": model,
        "MODEL_PLACEMENT": placement,
        "MODEL_URL": f"unix://{folder}/model-{port}.sock",
        "PORT": str(port),
        "WEB_WORKERS": "2",
        **environment,
    }
    if background:
        everything["BACKGROUND_MODEL_URL"] = f"unix://{folder}/background-{port}.sock"
    with ExitStack() as stack:
        inner = None
        if placement == "process":
            inner = stack.enter_context(
                gunicorn(
                    "model",
                    ["-c", "config/gunicorn_model.py"],
                    "config.model_process",
                    everything,
                )
            )
        if background:
            url = everything["BACKGROUND_MODEL_URL"]
            stack.enter_context(
                gunicorn(
                    "model",
                    ["-c", "config/gunicorn_model.py"],
                    "config.model_process",
                    everything | {"MODEL_URL": url},
                    nice=10,
                )
            )
        web = stack.enter_context(
            gunicorn("web", ["-c", "config/gunicorn.py"], "config.wsgi", everything)
        )
        started = Service(port, everything, web, inner)
        wait_until_ready(started.predict())
        yield started


@contextmanager
def gunicorn(
    name: str,
    options: list[str],
    application: str,
    environment: dict[str, str],
    *,
    nice: int = 0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run gunicorn, and end it with all its workers. `name` becomes LSML_PROCESS."""
    log_file = Path(environment["LSML_DATA_DIR"]) / f"{name}-{environment['PORT']}.log"
    command = [sys.executable, "-m", "gunicorn", *options, application]
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            ["nice", "-n", str(nice), *command],
            cwd=ROOT,
            env=environment | {"LSML_PROCESS": name},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_ready(request: Request) -> None:
    """Wait until a request is answered with status 200."""
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        if send_once(request, _READY_S).status == 200:
            return
        time.sleep(0.1)
    raise SystemExit(f"{request.path} at port {request.port} does not answer with 200")


def children_of(pid: int) -> list[int]:
    """Return the process ids of a process's direct children."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def proportional_mb(pids: list[int]) -> float:
    """Return the memory of processes in MB: shared pages count once (PSS)."""
    kilobytes = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1024
