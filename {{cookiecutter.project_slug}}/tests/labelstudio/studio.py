"""A private Label Studio for the tests: own virtualenv, own folder, loopback only."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

VERSION = "1.23.2"
START_TIMEOUT_S = 300  # most of it Label Studio's first migration
DEFAULT_VENV = Path.home() / ".cache" / "label-studio-check" / "venv"


def python_with_label_studio() -> Path:
    """Return the Python of Label Studio's virtualenv; create that if it is missing."""
    venv = Path(os.environ.get("LABEL_STUDIO_VENV") or DEFAULT_VENV)
    python = venv.absolute() / "bin" / "python"
    wanted = f"label-studio=={VERSION}"
    if _has_label_studio(python):
        return python
    if shutil.which("uv"):  # quicker, and does not need ensurepip
        make = ["uv", "venv", "-q", "--allow-existing", "--python", sys.executable]
        fill = ["uv", "pip", "install", "-q", "--python", str(python), wanted]
    else:
        make = [sys.executable, "-m", "venv"]
        fill = [str(python), "-m", "pip", "install", "-q", wanted]
    if not python.exists():
        subprocess.run([*make, str(venv)], check=True)
    subprocess.run(fill, check=True)
    return python


def _has_label_studio(python: Path) -> bool:
    probe = "from importlib.metadata import version as v;"
    probe += f"assert v('label-studio') == {VERSION!r}"
    command = [str(python), "-c", probe]
    return (
        python.exists()
        and not subprocess.run(
            command, check=False, stderr=subprocess.DEVNULL
        ).returncode
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Studio:
    """One Label Studio process and a plain client that acts as its user.

    Args:
        folder: an empty folder for its data and log.
        local_webhooks: whether webhooks may go to loopback, as backends may.
    """

    def __init__(self, folder: Path, *, local_webhooks=True):
        self.folder = folder
        self.log = folder / "label-studio.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = secrets.token_hex(20)
        self.email, self.password = "tester@example.com", secrets.token_hex(12)
        self._local_webhooks = local_webhooks
        self._process = None
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Token {self.token}"},
            timeout=150,
            trust_env=False,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        (self.folder / "data").mkdir(parents=True)
        command = [
            str(python_with_label_studio()),
            *("-m", "label_studio.server", "start", "--no-browser"),
            *("--internal-host", "127.0.0.1", "--port", str(self.port)),
            "--enable-legacy-api-token",
        ]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.5)
        self.stop()
        raise RuntimeError(
            f"Label Studio did not start:\n{self.log.read_text()[-3000:]}"
        )

    @property
    def pid(self) -> int:
        """Return the process ID of the server."""
        return self._process.pid

    def stop(self) -> None:
        """End its process group and remove its data."""
        self._http.close()
        process = self._process
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def call(self, method: str, path: str, *, body=None, ok=True, **params):
        """Return the answer of an API call; with `ok=False` the response itself."""
        response = self._http.request(method, path, json=body, params=params)
        if not ok:
            return response
        assert response.is_success, f"{method} {path}: {response.text[:500]}"
        return response.json() if response.content else None

    def personal_access_token(self) -> str:
        """Create a token of the kind that is exchanged for short-lived ones."""
        return self.call("POST", "/api/token/")["token"]

    def new_project(self, label_config: str, texts: list[str], **fields) -> int:
        """Create a project with one task per text and return its ID."""
        body = {"title": "Lane", "label_config": label_config} | fields
        project = self.call("POST", "/api/projects/", body=body)["id"]
        tasks = [{"data": {"text": text}} for text in texts]
        if tasks:
            self.call("POST", f"/api/projects/{project}/import", body=tasks)
        return project

    def tasks(self, project: int) -> list[dict]:
        """Return all tasks with annotations and predictions."""
        answer = self.call(
            "GET", "/api/tasks", project=project, fields="all", page_size=1000
        )
        return answer["tasks"]

    def retrieve_predictions(self, project: int) -> None:
        """Run the data manager's action "Retrieve predictions" for every task."""
        everything = {"all": True, "excluded": []}
        self.call(
            "POST",
            "/api/dm/actions",
            id="retrieve_tasks_predictions",
            project=project,
            body={"selectedItems": everything, "project": str(project)},
        )

    def _answers(self) -> bool:
        try:
            return self._http.get("/health/", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def _environment(self) -> dict[str, str]:
        kept = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ")
        protect = "false" if self._local_webhooks else "true"
        return {name: os.environ[name] for name in kept if name in os.environ} | {
            "HOME": str(self.folder),
            "LABEL_STUDIO_BASE_DATA_DIR": str(self.folder / "data"),
            "DJANGO_DB": "sqlite",
            "LABEL_STUDIO_HOST": self.url,
            "LABEL_STUDIO_USERNAME": self.email,
            "LABEL_STUDIO_PASSWORD": self.password,
            "LABEL_STUDIO_USER_TOKEN": self.token,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_ML_BLOCK_LOCAL_IP": "false",
            "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": protect,
            "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
            "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
            "LABEL_STUDIO_SENTRY_DSN": "",
            "LABEL_STUDIO_FRONTEND_SENTRY_DSN": "",
            "LABEL_STUDIO_FEATURE_FLAGS_OFFLINE": "true",
            "NO_PROXY": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
        }
