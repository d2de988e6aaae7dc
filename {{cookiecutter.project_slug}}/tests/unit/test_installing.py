"""Which program installs the libraries: uv where it can be had, pip elsewhere."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "requirements/install.sh"
PIP = """\
case "$*" in
  "-m pip "*) shift 2; echo "pip $*" >> "$CALLS" ;;
esac
case "$*" in
  *"config list") echo "$PIP_CONFIG" ;;
  *uv.txt) [ -z "$UV_WHEEL" ] || ln -s "$UV_WHEEL" "${0%python}uv" ;;
esac
"""
UV = 'echo "uv $*" >> "$CALLS"\nexit "$UV_STATUS"\n'


@pytest.fixture
def install(tmp_path):
    """Run install.sh with programs that record how they were called; return the calls.

    The environment's Python and uv are stand-ins. The PATH has nothing else but what
    the script itself needs.
    """
    for name in ("path", "venv/bin"):
        (tmp_path / name).mkdir(parents=True)
    for tool in ("dirname", "grep", "ln", "rm", "sh"):
        (tmp_path / "path" / tool).symlink_to(shutil.which(tool))

    def program(path, text):
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)
        return path

    def run(
        *, on_path=False, named=False, wheel=True, uv_status=0, pip_config="global.cert"
    ):
        calls = tmp_path / "calls"
        program(tmp_path / "venv/bin/python", PIP)
        uv = program(tmp_path / ("path/uv" if on_path else "uv"), UV)
        done = subprocess.run(
            [SCRIPT, tmp_path / "venv", "-r", "some.txt"],
            env={
                "PATH": str(tmp_path / "path"),
                "CALLS": str(calls),
                "UV": str(uv) if named else "",
                "UV_WHEEL": str(uv) if wheel else "",
                "UV_STATUS": str(uv_status),
                "PIP_CONFIG": pip_config,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        lines = calls.read_text().splitlines()
        return [line for line in lines if line.endswith("-r some.txt")]

    return run


def test_uv_on_the_path_is_used(install):
    [call] = install(on_path=True)
    assert call.startswith("uv pip install")


def test_without_uv_its_wheel_is_installed_and_used(install):
    [call] = install()
    assert call.startswith("uv pip install --system-certs")


def test_the_uv_that_the_caller_names_is_used(install):
    [call] = install(named=True, wheel=False)
    assert call.startswith("uv pip install --system-certs")


def test_pip_is_used_where_uv_has_no_wheel(install):
    [call] = install(wheel=False)
    assert call.startswith("pip")


def test_pip_is_used_where_uv_fails(install):
    tried, call = install(uv_status=2)
    assert tried.startswith("uv")
    assert call.startswith("pip")


@pytest.mark.parametrize("name", ["index-url", "extra-index-url", "no-index"])
def test_pip_that_is_set_to_another_index_is_used(install, name):
    [call] = install(pip_config=f"global.{name}='https://packages.example'")
    assert call.startswith("pip")


def python(path, version):
    """Make a Python that says it is another version, and only prints other calls."""
    path.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] || {{ echo "$0 $*"; exit 3; }}\n'
        f"exec {shlex.quote(sys.executable)} -c"
        f' "import sys; sys.version_info = {version}; ${{2#import sys;}}"\n'
    )
    path.chmod(0o755)
    return path


def create(tmp_path, **environment):
    return subprocess.run(
        [SCRIPT, tmp_path / "venv", "-r", "some.txt"],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 14, 0)])
def test_a_python_that_is_not_supported_is_refused_with_advice(tmp_path, version):
    named = python(tmp_path / "python3", version)
    done = create(tmp_path, PYTHON=str(named))
    assert done.returncode == 1
    assert "Python 3.11, 3.12 or 3.13 is required" in done.stdout
    assert not (tmp_path / "venv").exists()


def test_the_first_supported_python_on_the_path_is_taken(tmp_path):
    python(tmp_path / "python3", (3, 14, 0))
    python(tmp_path / "python3.13", (3, 13, 1))
    done = create(tmp_path, PATH=f"{tmp_path}:{os.defpath}")
    assert f"{tmp_path}/python3.13 -m venv" in done.stdout
