"""`manage.py` as a person runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.servers import free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_without_a_database_a_command_says_so_in_a_sentence():
    environment = {
        "PATH": os.environ["PATH"],
        "ENV_FILE": "/dev/null",
        "SECRET_KEY": "x" * 50,
        "DATABASE_URL": f"postgresql://user:secret@127.0.0.1:{free_port()}/lsml",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "audit", "verify"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "PostgreSQL does not answer: connection failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
