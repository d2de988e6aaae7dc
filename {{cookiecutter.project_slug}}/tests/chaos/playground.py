"""The service's processes, started as in production and restarted when they end."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEASE_S = 4.0


def service_environment(folder, placement):
    """Return the variables of a service as in production, with its data in a folder."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "chaos-" + "x" * 50,
        "HTTPS": "false",
        "LOG_FORMAT": "console",
        "LSML_DATA_DIR": str(folder),
        "MODEL_CLASS": "tests.chaos.model.Remembering",
        "MODEL_PLACEMENT": placement,
        "DATABASE_URL": "",
        "BASIC_AUTH_USER": "",
        "TRAINING_LEASE_S": str(LEASE_S),
        "TRAINING_SWEEP_S": "1",
        "TRAINING_OUTAGE_S": "30",
        "TRAINING_STOP_GRACE_S": "1",
        "AUDIT_SEAL_S": "2",
        "PYTHONWARNINGS": "ignore",
    }


@dataclass
class Program:
    """One process. The playground restarts it a little after it ends."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen | None = None
    starts: int = 0
    frozen: bool = False
    due_at: float = 0.0  # monotonic time of the restart
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments,
                env=os.environ | self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def send(self, number):
        if self.alive:
            self.process.send_signal(number)

    def children(self):
        """Return the process ids of its direct children."""
        found = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == self.process.pid and fields[0] != "Z":
                found.append(int(status.parent.name))
        return found


class Playground:
    """All programs, or some of them, and a thread that restarts those that ended."""

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        *,
        port: int,
        hosts=None,
        only: set[str] | None = None,
    ):
        self.folder = folder
        self.environment = environment
        self.port = port
        self.hosts = hosts
        self.programs: dict[str, Program] = {}
        self._closing = threading.Event()
        web = ["gunicorn", "-c", "config/gunicorn.py", "config.wsgi"]
        self._add("web", web, PORT=str(port), WEB_GRACE_S="2", WEB_THREADS="4")
        if environment.get("MODEL_PLACEMENT") == "process":
            model = ["gunicorn", "-c", "config/gunicorn_model.py"]
            self._add("model", [*model, "config.model_process"], WEB_GRACE_S="2")
        if url := environment.get("BACKGROUND_MODEL_URL"):
            background = {"MODEL_URL": url, "WEB_GRACE_S": "2"}
            self._add("model-2", [*model, "config.model_process"], **background)
        self._add("default", _worker("default", name="default"))
        for number in (1, 2):
            self._add(
                f"training-{number}", _worker("training", name=f"training{number}")
            )
            self._add(f"beat-{number}", [*_CELERY, "beat"])
        if only:
            programs = self.programs.items()
            self.programs = {name: each for name, each in programs if name in only}
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def _add(self, name, arguments, **environment):
        role = name.split("-")[0]
        ours = role in {"web", "model", "beat"}
        environment["LSML_PROCESS"] = role if ours else "worker"
        command = [sys.executable, "-m", *arguments]
        if self.hosts and name in self.hosts.names:
            command = self.hosts.command(name, command)
            environment |= self.hosts.environment | {
                "LSML_DATA_DIR": str(self.folder / name),
                "ARTIFACT_CACHE_DIR": str(self.folder / name / "cache"),
            }
        self.programs[name] = Program(
            name,
            command,
            self.environment | environment,
            self.folder / f"{name}.log",
        )

    def run(self, *arguments):
        """Run one of the project's commands and wait for it."""
        subprocess.run(
            [sys.executable, *arguments],
            env=os.environ | self.environment,
            cwd=ROOT,
            check=True,
        )

    def start(self):
        for program in self.programs.values():
            program.start()
        self._keeper.start()

    def stop(self):
        """Stop everything: SIGTERM first, SIGKILL after 15 s."""
        self._closing.set()
        self._keeper.join()
        for program in self.programs.values():
            program.send(signal.SIGCONT)
            program.send(signal.SIGTERM)
        for program in self.programs.values():
            try:
                program.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(program.process.pid, signal.SIGKILL)
                program.process.wait()

    def _keep(self):
        random_pause = random.Random(1)
        while not self._closing.wait(0.1):
            for program in self.programs.values():
                if program.alive:
                    program.due_at = 0
                elif not program.due_at:
                    program.due_at = time.monotonic() + random_pause.uniform(0, 1.5)
                elif time.monotonic() >= program.due_at:
                    program.start()


_CELERY = ["celery", "--quiet", "--app", "config"]


def _worker(queue, *, name):
    return [
        *(*_CELERY, "worker", "--queues", f"{queue},scheduled"),
        *("--hostname", f"{name}@%h"),
        *("--pool", "threads", "--concurrency", "2"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]
