"""What gunicorn's settings promise, without a server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_PRINT_FOLDER = (
    "import os, runpy; runpy.run_path('config/gunicorn.py');"
    " print(os.environ['PROMETHEUS_MULTIPROC_DIR'])"
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
