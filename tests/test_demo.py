"""The demo's helpers. The story itself is tested by running it."""

import re
import shutil
import socket

import pytest

from demo.baking import refresh
from demo.screen import StepFailed, expect, step
from demo.service import check_port, read_env


def test_baking_again_changes_only_what_differs(bake, tmp_path):
    project = tmp_path / "demo"
    shutil.copytree(bake(), project)
    (project / ".venv").mkdir()
    (project / ".venv/kept").touch()
    (project / "gone.py").touch()
    (project / "lsml/gone.py").touch()
    (project / "manage.py").write_text("changed")
    times = {path: path.stat().st_mtime_ns for path in project.rglob("*.py")}

    refresh(project, keep={".venv"})

    assert (project / ".venv/kept").exists()
    assert not (project / "gone.py").exists()
    assert not (project / "lsml/gone.py").exists()
    changed = {
        path.name
        for path, time in times.items()
        if path.exists() and path.stat().st_mtime_ns != time
    }
    assert changed == {"manage.py"}
    assert (project / "manage.py").read_text() != "changed"


def test_a_port_in_use_is_refused_with_advice():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(StepFailed, match=f"Port {port} .* PORT={port + 1}"):
            check_port(port)


@pytest.mark.parametrize("port", [0, 99999])
def test_a_number_that_is_no_port_is_refused_with_advice(port):
    with pytest.raises(StepFailed, match=f"{port} is not a port: .* PORT=9091"):
        check_port(port)


def test_the_demo_reads_the_secrets_that_were_baked(bake):
    env = read_env(bake())

    assert re.fullmatch(r"[\w-]{20,}", env["BASIC_AUTH_PASS"])
    assert env["BASIC_AUTH_USER"] == "label-studio"


def test_a_failed_step_is_shown_and_ends_the_story(capsys):
    with pytest.raises(StepFailed, match="no cake"), step("look for cake"):
        expect(False, "no cake")

    assert "✗ look for cake" in capsys.readouterr().out
