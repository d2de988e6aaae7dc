"""The other starters, tested in the environment of the default project."""

import shutil
import subprocess
from pathlib import Path

import pytest

from demo.baking import bake as bake_project
from tests.conftest import ROOT

ENVIRONMENT = ROOT / "build/demo/.venv"
TOOLS = ENVIRONMENT / ".tools"  # made by `make test`, not by `make demo`


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    """Return a blank project that uses the default project's environment."""
    if not TOOLS.exists():
        pytest.skip("no test tools in build/demo: run `make test`")
    project = bake_project(tmp_path_factory.mktemp("blank"), {"starter": "blank"})
    (project / ".venv").symlink_to(ENVIRONMENT)
    # What mypy found out about unchanged files, which it recognises by their content.
    known = ENVIRONMENT.with_name(".mypy_cache")
    if known.exists():
        shutil.copytree(known, project / ".mypy_cache")
    return project


def run(project: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_blank_project_passes_its_own_lint(blank):
    run(blank, "make", "-o", ".venv/.installed", "-o", ".venv/.tools", "lint")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_blank_project_passes_its_models_tests(blank):
    run(blank, ".venv/bin/python", "-m", "pytest", "-q", "tests/test_model.py")
