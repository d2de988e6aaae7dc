"""Bakes the template. Used by the demo and by the tests."""

import filecmp
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TEMPLATE = Path(__file__).parents[1]
# Files that a working copy has and a fresh clone has not.
UNTRACKED = shutil.ignore_patterns(
    ".venv", ".data", ".env", "__pycache__", ".*_cache", ".hypothesis", "build",
    "staticfiles", "*.log",
)  # fmt: skip


class BakeRefused(Exception):  # noqa: N818 - what happened
    """The template refused an answer. The message is what it printed."""


def bake(folder: Path, answers: dict[str, str] | None = None) -> Path:
    """Bake the working copy into `folder`, as the command line does.

    Args:
        folder: Parent of the project's new folder.
        answers: The answers that differ from the defaults.

    Returns:
        The project's folder.

    Raises:
        BakeRefused: An answer was refused.
    """
    before = set(folder.iterdir())
    with tempfile.TemporaryDirectory(prefix="lsml-bake-") as scratch:
        template = Path(scratch) / "template"
        for name in ("hooks", "{{cookiecutter.project_slug}}"):
            shutil.copytree(TEMPLATE / name, template / name, ignore=UNTRACKED)
        shutil.copy(TEMPLATE / "cookiecutter.json", template)
        # Keep cookiecutter away from the home folder: it may be missing or read-only.
        config = Path(scratch) / "config.yaml"
        folders = ("replay_dir", "cookiecutters_dir")
        config.write_text(json.dumps({each: f"{scratch}/{each}" for each in folders}))
        given = [f"{question}={answer}" for question, answer in (answers or {}).items()]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "cookiecutter", str(template), "--no-input"),
                *("--config-file", str(config), "--output-dir", str(folder)),
                *given,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise BakeRefused(done.stderr)
    [project] = set(folder.iterdir()) - before
    return project


def refresh(project: Path, *, keep: set[str]) -> None:
    """Bring `project` up to date with the template.

    Unchanged files keep their modification times, so `make` rebuilds only what changed.

    Args:
        project: An older bake, or a folder that does not exist yet.
        keep: Names in the project's root to keep, although they are not baked.
    """
    with tempfile.TemporaryDirectory(prefix="lsml-bake-") as scratch:
        baked = bake(Path(scratch), {"project_slug": project.name})
        _make_equal(baked, project, keep=keep)


def _make_equal(source: Path, target: Path, *, keep: set[str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        if old.name in keep or (source / old.name).exists():
            continue
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    for new in source.iterdir():
        path = target / new.name
        if new.is_dir():
            _make_equal(new, path, keep=set())
        elif not path.exists() or not filecmp.cmp(new, path, shallow=False):
            shutil.copy2(new, path)


if __name__ == "__main__":  # called by `make test`
    refresh(Path(sys.argv[1]).absolute(), keep={".venv", ".data", ".env"})
