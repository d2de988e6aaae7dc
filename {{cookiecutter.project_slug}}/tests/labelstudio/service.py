"""The service as `manage.py dev` runs it, for a real Label Studio to talk to."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
from psycopg.rows import dict_row

from lsml.embedded import addresses

PROJECT = Path(__file__).parents[2]
READY_TIMEOUT_S = 120
USER, PASSWORD = "label-studio", "geh:äim"
_VERSION = {
    "number": 1_000, "state": "ready", "artifact_key": "", "artifact_sha256": "",
    "artifact_bytes": 0, "metrics": {}, "snapshot_digest": "", "annotation_count": 0,
    "held_out_tasks": 0,
    "label_config": "", "label_config_digest": "", "missing_labels": [],
    "code_revision": "", "python_version": "", "packages": {}, "notes": "",
    "load_error": "", "held_back": "", "created_at": "2026-11-01T00:00:00Z",
}  # fmt: skip


class Service:
    """One `manage.py dev` with its own servers and folder.

    Args:
        folder: for its data and its output.
        port: where it listens on loopback.
        environment: settings besides the basic auth credentials.
    """

    def __init__(self, folder: Path, port: int, **environment: str):
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.output = folder / "dev.log"
        self._environment = environment
        self._process = None
        self.http = httpx.Client(
            base_url=self.url, auth=(USER, PASSWORD), timeout=30, trust_env=False
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "dev", "--port", str(self.port)],
                cwd=PROJECT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if "ready: " in self.output.read_text():
                return
            time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"The service did not start:\n{self.output.read_text()}")

    @property
    def pid(self) -> int:
        """Return the process ID of `manage.py dev`."""
        return self._process.pid

    def stop(self) -> None:
        """Stop it with Ctrl-C, as a person would."""
        self.http.close()
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def environment(self) -> dict[str, str]:
        """Return the environment of its processes and of commands run beside it."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DATABASE_URL", "CELERY_BROKER_URL"}
        }
        return kept | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "x" * 60,
            "HTTPS": "false",
            "LSML_DATA_DIR": str(self.folder / "data"),
            "BASIC_AUTH_USER": USER,
            "BASIC_AUTH_PASS": PASSWORD,
            "SERVICE_URL": self.url,
            "LOG_FORMAT": "console",
            **self._environment,
        }

    def manage(self, *arguments: str, ok: bool = True) -> str:
        """Run a command beside the service and return its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def add_version(self, project: int, name: str) -> None:
        """Register a version of a project without training it."""
        query = (
            "INSERT INTO registry_modelversion SELECT (made.version).* FROM ("
            " SELECT jsonb_populate_record(NULL::registry_modelversion, %s::jsonb"
            " || jsonb_build_object('project_id', id, 'version', %s::text, 'id',"
            " nextval(pg_get_serial_sequence('registry_modelversion', 'id'))))"
            " AS version FROM registry_project WHERE labelstudio_id = %s) AS made"
        )
        with self.database() as connection:
            connection.execute(query, [json.dumps(_VERSION), name, project])

    @contextmanager
    def database(self):
        """Open a connection that returns rows as dictionaries."""
        url = addresses.database_url(self.folder / "data")
        with psycopg.connect(url, row_factory=dict_row, autocommit=True) as connection:
            yield connection

    def rows(self, query: str, *values) -> list[dict]:
        """Return the rows of a query."""
        with self.database() as connection:
            return connection.execute(query, values).fetchall()


def wait_for(look, *, seconds: float = 30, what: str = "it"):
    """Return the first true result of `look`; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.2)
    return found
