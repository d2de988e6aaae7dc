"""`python -m tests.update`: a project takes over five versions of the template.

Its owner edited the model, the README and compose.yaml, and added an app. Uses the
libraries of build/demo. The template's versions are commits of a clone in a scratch
folder.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import ROOT

PROJECT = "{{cookiecutter.project_slug}}"
# What the owner adds to files that the template has, and an app.
EDITS = {
    "model.py": "\n\n# Ours: the threshold that the team agreed on.\nTHRESHOLD = 0.7\n",
    "README.md": "\n## Our team\n\nAsk Ada.\n",
    "compose.yaml": "\n# Ours\nx-team: annotators\n",
    "billing/__init__.py": '"""Counts what the annotators did."""\n',
    "billing/apps.py": '"""Ours."""\n',
}
# In each version of the template: (file, text, what takes its place). A file without a
# text is added or removed.
VERSIONS = [
    [
        ("README.md", "## ", "## A heading of version 1: "),
        ("docs/new.md", None, "# New\n"),
    ],
    [("model.py", '"""', '"""Version 2. '), ("docs/new.md", "# New", "# Newer")],
    [("compose.yaml", "services:\n", "# Version 3\nservices:\n")],
    [("docs/new.md", "# Newer\n", None), ("Makefile", "They need GNU", "All need GNU")],
    [("README.md", "A heading of version 1: ", ""), ("model.py", "Version 2. ", "")],
]


def main() -> int:
    """Bake, edit and update; return 0 if nothing of the owner's was lost."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        template = scratch / "template"
        run(scratch, "git", "clone", "--quiet", ROOT, template)
        project = bake(scratch, template)
        edit(project)
        secrets = (project / ".env").read_text()
        for number, changes in enumerate(VERSIONS, 1):
            change(template, changes, number)
            began = time.monotonic()
            run(project, "make", "update")
            took = time.monotonic() - began
            commit(project, f"take over version {number}")
            print(f"version {number} was taken over in {took:.1f} s", flush=True)
        assert (project / ".env").read_text() == secrets
        differing = differences(project, bake(scratch / "again", template))
        assert differing == set(EDITS), differing
        for name, text in EDITS.items():
            assert (project / name).read_text().endswith(text), name
        check(project)
    print("nothing of the owner's was lost; its lint and its model's tests pass")
    return 0


def run(folder: Path, *command: object) -> str:
    """Run a command; show its output if it fails."""
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{command} in {folder}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def commit(folder: Path, subject: str) -> None:
    run(folder, "git", "add", "--all")
    author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    run(folder, "git", *author, "commit", "--quiet", "--allow-empty", "-m", subject)


def bake(folder: Path, template: Path) -> Path:
    """Bake as a user does, with the answers' defaults."""
    folder.mkdir(exist_ok=True)
    config = folder / "cookiecutter.yaml"
    config.write_text(f"replay_dir: {folder}\ncookiecutters_dir: {folder}\n")
    run(
        folder,
        *(sys.executable, "-m", "cookiecutter", "--no-input"),
        *("--config-file", config, template),
    )
    [project] = folder.glob("*/manage.py")
    return project.parent


def edit(project: Path) -> None:
    run(project, "git", "init", "--quiet")
    commit(project, "bake")
    for name, text in EDITS.items():
        path = project / name
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as file:
            file.write(text)
    commit(project, "edit")


def change(template: Path, changes: list[tuple], number: int) -> None:
    """Make the next version of the template."""
    for name, old, new in changes:
        path = template / PROJECT / name
        if old is None:
            path.write_text(new)
        elif new is None:
            path.unlink()
        else:
            text = path.read_text()
            assert old in text, (name, old)
            path.write_text(text.replace(old, new, 1))
    commit(template, f"version {number}")


def differences(project: Path, fresh: Path) -> set[str]:
    """Return the committed files that differ from those of a fresh bake."""
    run(fresh, "git", "init", "--quiet")
    commit(fresh, "bake")
    shutil.copytree(fresh / ".git", project / "build/fresh")
    names = run(
        project,
        *("git", "--git-dir", project / "build/fresh", "--work-tree", project),
        *("status", "--porcelain", "--untracked-files=all", "--", ".", ":!.cruft.json"),
    )
    return {line[3:] for line in names.splitlines()}


def check(project: Path) -> None:
    """Run the project's lint and its model's tests with the libraries of build/demo."""
    (project / ".venv").symlink_to(ROOT / "build/demo/.venv")
    installed = ("-o", ".venv/.installed", "-o", ".venv/.tools")
    run(project, "make", *installed, "lint")
    run(project, ".venv/bin/python", "-m", "pytest", "-q", "tests/test_model.py")


if __name__ == "__main__":
    sys.exit(main())
