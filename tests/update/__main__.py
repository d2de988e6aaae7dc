"""`python -m tests.update`: a project takes over newer versions of the template.

It is baked from the last release (from this commit, while there is none), and learns.
Its owner edits the model, the README and compose.yaml, and adds an app. Then it takes
over this commit and five more versions, one of them with a migration, and still serves
what it learned. Uses the libraries of build/demo. The template's versions are commits
of a clone in a scratch folder.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from demo.screen import StepFailed, expect, step
from tests.conftest import ROOT
from tests.migrating import add_migration
from tests.update.serving import Serving
from tests.update.shell import commit, run

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
MIGRATES = 3  # the version that has a migration


def main() -> int:
    """Bake, learn, edit and update; return 0 if nothing was lost."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            follow(Path(folder))
        except StepFailed as failure:
            print(f"\n{failure}", file=sys.stderr)
            return 1
    print("nothing of the owner's was lost; its lint and its model's tests pass")
    return 0


def follow(scratch: Path) -> None:
    """Take a project from the last release to the newest version of the template."""
    template = scratch / "template"
    run(scratch, "git", "clone", "--quiet", ROOT, template)
    newest = run(template, "git", "rev-parse", "HEAD").strip()
    release = last_release(template) or newest
    refuse_changed_migrations(template, release)
    run(template, "git", "reset", "--quiet", "--hard", release)
    project = bake(scratch, template)
    install(project, its_own=release != newest)
    serving = Serving(project)
    serving.learn()
    edit(project)
    secrets = (project / ".env").read_text()
    if release != newest:
        run(template, "git", "reset", "--quiet", "--hard", newest)
        update(project, f"from {release}")
        install(project, its_own=False)
    for number, changes in enumerate(VERSIONS, 1):
        if number == MIGRATES:
            add_migration(template / PROJECT)
        change(template, changes, number)
        update(project, f"version {number}")
    assert (project / ".env").read_text() == secrets
    differing = differences(project, bake(scratch / "again", template))
    assert differing == set(EDITS), differing
    for name, text in EDITS.items():
        assert (project / name).read_text().endswith(text), name
    serving.check()
    check(project)


def last_release(template: Path) -> str:
    """Return the newest tag before this commit, "" if there is none."""
    before = ("--merged", "HEAD", "--no-contains", "HEAD")
    tags = run(template, "git", "tag", *before, "--sort=-version:refname", "v*")
    return next(iter(tags.splitlines()), "")


def refuse_changed_migrations(template: Path, release: str) -> None:
    """Fail if a migration was changed that databases of the release have applied."""
    changed = run(
        template,
        *("git", "diff", "--name-only", "--no-renames", "--diff-filter=MD"),
        *(release, "HEAD", "--", "*/migrations/*.py"),
    )
    expect(not changed, f"These migrations of {release} were changed:\n{changed}")


def install(project: Path, *, its_own: bool) -> None:
    """Install the libraries of a release, or use those of build/demo."""
    venv = project / ".venv"
    shutil.rmtree(venv, ignore_errors=True)
    if its_own:
        run(project, "make", "install")
        return
    venv.mkdir()  # git ignores a folder of this name, but not a link
    for path in (ROOT / "build/demo/.venv").iterdir():
        (venv / path.name).symlink_to(path)


def update(project: Path, what: str) -> None:
    """Take over the template's newest version, and commit."""
    with step(f"make update: {what}"):
        run(project, "make", "update")
    commit(project, f"take over {what}")


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
    installed = ("-o", ".venv/.installed", "-o", ".venv/.tools")
    run(project, "make", *installed, "lint")
    run(project, ".venv/bin/python", "-m", "pytest", "-q", "tests/test_model.py")


if __name__ == "__main__":
    sys.exit(main())
