"""`manage.py dev` as used in a terminal, with real processes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import psycopg
import pytest

from lsml.embedded import addresses
from lsml.embedded.servers import running
from tests.chaos.servers import free_port

PROJECT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Dev:
    """One `manage.py dev`, its output and its descendant processes."""

    def __init__(self, folder, port, **environment):
        self.folder = folder
        self.port = port
        self.lines = []
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "x" * 60,
            "HTTPS": "false",
            "LSML_DATA_DIR": str(folder),
            "ADMIN_USER": "boss",
            "ADMIN_PASSWORD": "not-a-real-one",
            **environment,
        }
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "dev", "--port", str(port)],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def output(self):
        return "\n".join(self.lines)

    def until(self, text, within=90):
        """Wait until a line contains the text; return the seconds this took."""
        begun = time.monotonic()
        while time.monotonic() - begun < within:
            if any(text in line for line in self.lines):
                return time.monotonic() - begun
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"{text!r} did not appear:\n{self.output}")

    def ended(self, within=60):
        """Wait for the process to end; return its exit status."""
        status = self.process.wait(within)
        self._reader.join()
        self.process.stdout.close()
        return status

    def below(self):
        """Return the process ids of all its descendants, without the servers."""
        children = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(stat.parent.name))
        found, look = [], [self.process.pid]
        while look:
            look += (below := children.get(look.pop(), []))
            found += below
        return found

    def child(self, word, variable=""):
        """Wait for the child with this word in its command, and with this variable."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for pid in self.below():
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if word.encode() in command and variable.encode() in [b"", *variables]:
                    return pid
            time.sleep(0.05)
        raise AssertionError(f"no process with {word!r}")

    def post(self, path, **body):
        """Send JSON as Label Studio does."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


def living(pids):
    """Return the ids of the processes that still run."""
    alive = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            alive.append(pid)
    return alive


def wait_gone(pids, within=30):
    """Wait until all have ended. Web workers check for their parent every second."""
    deadline = time.monotonic() + within
    while left := living(pids):
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]
        assert time.monotonic() < deadline, f"still running: {commands}"
        time.sleep(0.05)


def postmaster(folder):
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def dev(tmp_path, port):
    """Start `manage.py dev` in one data folder; stop what is left afterwards."""
    started = []

    def start(**environment):
        started.append(Dev(tmp_path / "data", port, **environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.terminate()
            one.ended()
    if (tmp_path / "data" / "postgres" / "postmaster.pid").exists():
        with running(tmp_path / "data", say=lambda _: None):
            """Leaving this block stops servers that a killed `dev` left behind."""


def test_it_prints_its_addresses_and_ctrl_c_ends_everything(dev):
    one = dev()
    one.until("user:")
    assert one.lines.count(f"ready: http://127.0.0.1:{one.port}") == 1
    assert f"admin: http://127.0.0.1:{one.port}/admin/" in one.lines
    with urllib.request.urlopen(f"http://127.0.0.1:{one.port}/ready") as answer:
        assert answer.status == 200
    with psycopg.connect(addresses.database_url(one.folder)) as connection:
        found = connection.execute("SELECT username FROM auth_user").fetchall()
    assert found == [("boss",)]
    one.child("celery --quiet --app config beat")
    everything = [*one.below(), postmaster(one.folder)]
    one.process.send_signal(signal.SIGINT)
    assert one.ended() == 0
    wait_gone(everything)


def test_the_second_start_keeps_data_and_administrator(dev):
    first = dev()
    first.until("ready:")
    first.process.terminate()
    assert first.ended() == 0
    second = dev()
    second.until("ready:")
    assert "migrations" not in second.output
    assert "created the administrator" not in second.output


def test_a_second_dev_in_the_same_folder_is_refused(dev):
    first = dev()
    first.until("web ")
    second = dev()
    assert second.ended() == 1
    assert "is running in this folder" in second.lines[-1]
    assert first.process.poll() is None


def test_a_busy_port_is_reported_before_anything_starts(dev, port, tmp_path):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        one = dev()
        assert one.ended() == 1
    assert f"Port {port} cannot be used" in one.lines[-1]
    assert f"make dev PORT={port + 1}" in one.lines[-1]
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_process_that_dies_is_named_and_stops_the_others(dev):
    one = dev()
    one.until("ready:")
    everything = [*one.below(), postmaster(one.folder)]
    os.kill(one.child("--queues training"), signal.SIGKILL)
    assert one.ended() == 1
    assert "training was killed by SIGKILL" in one.lines[-1]
    wait_gone(everything)


def test_wrong_settings_are_reported_before_anything_else_starts(dev):
    one = dev(WEB_WORKERS="none", AUDIT_INPUTS="ful")
    assert one.ended() == 1
    assert "lsml.E001" in one.output
    assert "lsml.E020" in one.output
    assert "Traceback" not in one.output


def test_a_model_that_cannot_be_imported_is_reported_and_everything_ends(dev):
    one = dev(MODEL_CLASS="model.Mistyped")
    assert one.ended(within=150) == 1
    assert "lsml.E033" in one.output
    assert "Traceback" not in one.output
    assert not any(line.startswith("ready:") for line in one.lines)
    assert not (one.folder / "postgres" / "postmaster.pid").exists()


def test_a_process_that_cannot_start_is_reported_with_its_status(dev):
    one = dev(GUNICORN_CMD_ARGS="--no-such-option")
    assert one.ended() == 1
    assert re.search(r"web ended with exit status \d+", one.lines[-1])


def test_after_a_kill_9_the_children_end_and_the_servers_are_reused(dev):
    killed = dev()
    killed.until("ready:")
    killed.child("celery --quiet --app config beat")
    children, server = killed.below(), postmaster(killed.folder)
    killed.process.kill()
    killed.ended()
    wait_gone(children)
    assert living([server])
    after = dev()
    after.until("ready:")
    assert postmaster(after.folder) == server
    after.process.terminate()
    assert after.ended() == 0
    wait_gone([server])


@pytest.fixture
def training(dev, tmp_path):
    """Return a `dev` with a run in progress that would never end."""
    mark = tmp_path / "training"
    one = dev(
        MODEL_CLASS="tests.models.sleeping.SleepingModel", TRAINING_MARK=str(mark)
    )
    one.until("ready:")
    recorded = PROJECT / "tests" / "protocol" / "webhook" / "annotation_created.json"
    event = json.loads(recorded.read_text())["request"]
    one.post("webhook", **event)
    one.post("webhook", action="START_TRAINING", project=event["project"])
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < deadline, one.output
        time.sleep(0.1)
    return one


def test_ctrl_c_does_not_wait_for_the_end_of_a_training_run(training):
    everything = [*training.below(), postmaster(training.folder)]
    training.process.send_signal(signal.SIGINT)
    assert training.ended() == 0
    wait_gone(everything)


def test_a_training_ends_with_a_dev_that_is_killed(training):
    everything = training.below()
    training.process.kill()
    training.ended()
    wait_gone(everything)


def test_configured_servers_are_used_and_none_are_started(dev, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    with running(elsewhere, durable=False):
        one = dev(
            DATABASE_URL=addresses.database_url(elsewhere),
            CELERY_BROKER_URL=addresses.broker_url(elsewhere),
        )
        one.until("ready:")
        assert not (one.folder / "postgres").exists()
        assert not addresses.broker_socket(one.folder).exists()
        one.process.terminate()
        assert one.ended() == 0


def test_a_database_that_does_not_answer_is_reported(dev):
    one = dev(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert one.ended() == 1
    assert "The database does not answer" in one.output
    assert "DATABASE_URL" in one.output


def test_with_a_model_process_the_model_trains_and_serves_and_web_has_no_libraries(dev):
    one = dev(MODEL_PLACEMENT="process")
    one.until("ready:")
    project = {"id": 1, "created_at": "2026-11-23T11:39:00Z"}
    for number in range(12):
        word = ("Positive", "good"), ("Negative", "bad")
        label, text = word[number % 2]
        one.post(
            "webhook",
            action="ANNOTATION_CREATED",
            project={**project, "label_config": SENTIMENT},
            task={"id": number, "data": {"text": f"{text} {number}"}},
            annotation={
                "id": number,
                "task": number,
                "result": [
                    {
                        "from_name": "sentiment",
                        "to_name": "text",
                        "type": "choices",
                        "value": {"choices": [label]},
                    }
                ],
            },
        )
    one.post("webhook", action="START_TRAINING", project=project)
    order = {
        "tasks": [{"id": 99, "data": {"text": "good"}}],
        "project": "1.1795433940",
        "label_config": SENTIMENT,
        "params": {},
    }
    deadline = time.monotonic() + 90
    while one.post("predict", **order)["results"][0]["model_version"] == "0.0.1":
        assert time.monotonic() < deadline, one.output
        time.sleep(0.2)
    with urllib.request.urlopen(f"http://127.0.0.1:{one.port}/health") as answer:
        assert json.load(answer)["model_class"] == "TextClassifier"
    model, background = (
        one.child("config.model_process", f"MODEL_URL={url(one.folder)}")
        for url in (addresses.model_url, addresses.background_model_url)
    )
    assert loaded_by(model, "sklearn")
    nice = os.getpriority(os.PRIO_PROCESS, model)
    assert os.getpriority(os.PRIO_PROCESS, background) == min(19, nice + 10)
    # It starts with a low priority, so it may be the last to be ready.
    while b"\nlsml_background_model_process_up 1\n" not in metrics(one):
        assert time.monotonic() < deadline, one.output
        time.sleep(0.2)
    examined = examined_by_doctor(one)
    assert examined["model process"] == examined["background model process"] == "ok"
    assert not loaded_by(one.child("config.wsgi"), "sklearn")
    assert not loaded_by(one.child("--queues default"), "sklearn")


SENTIMENT = (
    '<View><Text name="text" value="$text"/><Choices name="sentiment" toName="text">'
    '<Choice value="Positive"/><Choice value="Negative"/></Choices></View>'
)


def metrics(dev):
    with urllib.request.urlopen(f"http://127.0.0.1:{dev.port}/metrics") as answer:
        return answer.read()


def examined_by_doctor(dev):
    """Return the levels that `manage.py doctor` reports in another terminal."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=PROJECT,
        env=dev.environment,
        stdout=subprocess.PIPE,
        check=False,
    )
    return {each["item"]: each["level"] for each in json.loads(done.stdout)}


def loaded_by(pid, library):
    """Return whether this process or a child has files of the library in memory."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    maps = [Path(f"/proc/{each}/maps").read_text() for each in (pid, *children)]
    return any(f"/{library}/" in text for text in maps)
