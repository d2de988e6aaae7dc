"""What gunicorn's settings promise, without a server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_END_ONE_WORKER = """
import os, runpy, sys
runpy.run_path("config/gunicorn.py")
if os.fork() == 0:
    sys.exit()  # as gunicorn ends a worker
os.wait()
os.rmdir(os.environ["PROMETHEUS_MULTIPROC_DIR"])
"""
_PRINT_FOLDER = (
    "import os, runpy; runpy.run_path('config/gunicorn.py');"
    " folder = os.environ['PROMETHEUS_MULTIPROC_DIR']; os.rmdir(folder); print(folder)"
)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="Linux only")
def test_a_full_temporary_folder_does_not_reach_the_counts_of_the_metrics(tmp_path):
    printed = subprocess.run(
        [sys.executable, "-c", _PRINT_FOLDER],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(printed.stdout.strip()).parent == Path("/dev/shm")


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
