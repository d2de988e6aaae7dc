"""What gunicorn's settings promise, without a server."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_START = """
import os, runpy, shutil, signal, sys
settings = runpy.run_path("config/gunicorn.py")
folder = os.environ["PROMETHEUS_MULTIPROC_DIR"]
"""
_END_ONE_WORKER = f"""{_START}
if os.fork() == 0:
    sys.exit()  # as gunicorn ends a worker
os.wait()
shutil.rmtree(folder)
"""
_PRINT_FOLDER = f"{_START}shutil.rmtree(folder); print(folder)"
_BE_KILLED = f"{_START}print(folder, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
_LEAVE_A_WORKER = f"""{_START}
if os.fork() == 0:
    print(os.getpid(), folder, flush=True)
    signal.pause()
os.kill(os.getpid(), signal.SIGKILL)
"""
_NAME_SERVICE = f"""{_START}
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()
settings["on_starting"](None)
from lsml.doctor import disk
print(*disk.folders_here()["counts for metrics"], folder)
settings["on_exit"](None)
"""


def printed_by(program, **environment):
    """Run a program to its end, and return what it prints."""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | environment,
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return ended.stdout.strip()


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="Linux only")
def test_a_full_temporary_folder_does_not_reach_the_counts_of_the_metrics(tmp_path):
    folder = printed_by(_PRINT_FOLDER, TMPDIR=str(tmp_path))
    assert Path(folder).parent == Path("/dev/shm")


def test_a_web_process_that_ends_leaves_the_counts_of_the_others():
    subprocess.run([sys.executable, "-c", _END_ONE_WORKER], cwd=_ROOT, check=True)


@pytest.mark.parametrize("config", ["gunicorn", "gunicorn_model"])
def test_addresses_are_read_from_the_file_of_variables(config, tmp_path):
    file = tmp_path / "service.env"
    file.write_text("BIND_HOST=10.1.2.3\nPORT=9876\nMODEL_URL=http://model:9876\n")
    code = f"import runpy; print(runpy.run_path('config/{config}.py')['bind'])"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "ENV_FILE": str(file)},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == "10.1.2.3:9876\n"


def test_the_counts_of_a_killed_service_are_removed_when_another_one_starts():
    killed = Path(printed_by(_BE_KILLED))
    assert killed.is_dir()
    printed_by(_PRINT_FOLDER)
    assert not killed.exists()


def test_the_counts_that_a_process_still_uses_are_not_removed():
    leave = [sys.executable, "-c", _LEAVE_A_WORKER]
    with subprocess.Popen(leave, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as main:
        pid, folder = main.stdout.readline().split()
    printed_by(_PRINT_FOLDER)
    assert Path(folder).is_dir()
    os.kill(int(pid), signal.SIGKILL)
    until = time.monotonic() + 10
    while Path(folder).is_dir() and time.monotonic() < until:
        printed_by(_PRINT_FOLDER)
    assert not Path(folder).exists()


@pytest.mark.slow
def test_doctor_finds_the_counts_of_the_service():
    found, folder = printed_by(_NAME_SERVICE).split()
    assert found == folder


_SESSION = Path("/proc/self/autogroup")
_START_MODEL_PROCESS = (
    "import runpy; runpy.run_path('config/gunicorn_model.py')['on_starting'](None);"
    f" print(open('{_SESSION}').read())"
)


@pytest.mark.skipif(not _SESSION.exists(), reason="the kernel compares no sessions")
@pytest.mark.parametrize("leads", [True, False])
def test_the_nice_value_of_a_model_process_counts_among_sessions(tmp_path, leads):
    begin = [] if leads else ["sh", "-c", '"$@"; true', "sh"]  # the shell leads instead
    started = subprocess.run(
        [*begin, "nice", "-n", "3", sys.executable, "-c", _START_MODEL_PROCESS],
        env=os.environ | {"LSML_DATA_DIR": str(tmp_path), "MODEL_URL": ""},
        cwd=_ROOT,
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = min(19, os.nice(0) + 3) if leads else 0
    assert started.stdout.split()[-1] == str(expected)
