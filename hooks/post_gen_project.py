"""After baking: installs the options, writes `.env` and where the project is from."""

import json
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

# Question: (folder of the choices, files that only one choice needs).
# A choice without a folder is the default, which is already in place, or "none".
OPTIONS = {
    "starter": ("starters", {"text-classification": ["example"]}),
    "license": ("licenses", {}),
    "ci": ("ci", {}),
}


def settle(project: Path, folder: str, choice: str, only: dict[str, list[str]]) -> None:
    """Copy `<folder>/<choice>` over the project's root, then remove the folder.

    Args:
        project: Root of the project.
        folder: Name of the folder that has one folder per choice.
        choice: The answer.
        only: For a choice, the paths to remove when another one was made.
    """
    for owner, paths in only.items():
        for path in paths if owner != choice else []:
            shutil.rmtree(project / path)
    chosen = project / folder / choice
    if chosen.is_dir():
        shutil.copytree(chosen, project, dirs_exist_ok=True)
    shutil.rmtree(project / folder)


def environment(answers: dict[str, str]) -> str:
    """Return a `.env` for a development machine, with new random secrets."""
    return f"""\
# Settings of this machine, with its secrets: never commit it. See .env.example.
SECRET_KEY={secrets.token_urlsafe(48)}

# What Label Studio sends with every request (basic auth).
BASIC_AUTH_USER=label-studio
BASIC_AUTH_PASS={secrets.token_urlsafe(18)}

# The administrator that `make dev` creates.
ADMIN_USER=admin
ADMIN_EMAIL={answers["author_email"]}
ADMIN_PASSWORD={secrets.token_urlsafe(12)}

# The database of `make up`: its owner, and the role of the service. `make dev` brings
# its own.
POSTGRES_PASSWORD={secrets.token_urlsafe(24)}
DATABASE_SERVICE_PASSWORD={secrets.token_urlsafe(24)}

# Plain http and readable logs, for `make dev`. Take both out in production.
HTTPS=false
LOG_FORMAT=console
"""


def write_secretly(path: Path, text: str) -> None:
    """Write a new file that only its owner can read. Keep an existing file."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # baked over an older project
        return
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def origin(answers: dict[str, str]) -> dict[str, object] | None:
    """Return what `make update` must know: the template, its commit and the answers.

    The format is that of cruft. None if the template is not a git repository, or if
    cruft itself bakes.
    """
    folder = answers.get("_repo_dir", "")
    top = _git(folder, "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != Path(folder).resolve():
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    is_local = Path(answers["_template"]).expanduser().is_dir()
    return {
        "template": top if is_local else _address(folder),
        "commit": commit,
        "checkout": None,
        "context": {
            "cookiecutter": {
                question: answer
                for question, answer in answers.items()
                if not question.startswith("_")
            }
        },
        "directory": None,
    }


def _address(folder: str) -> str:
    """Return where a repository was cloned from, without credentials.

    .cruft.json is committed. A user name is needed for SSH; for HTTP it may be a token.
    """
    address = _git(folder, "remote", "get-url", "origin")
    address = re.sub(r"^(https?://)[^/]*@", r"\1", address)
    return re.sub(r"^(ssh://[^/:@]*):[^/]*@", r"\1@", address)


def _git(folder: str, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", folder or "/", *words],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # git is not installed
        return ""
    return done.stdout.strip() if not done.returncode else ""


def main(project: Path, answers: dict[str, str]) -> None:
    """Install the chosen options in `project` and write its `.env`."""
    for question, (folder, only) in OPTIONS.items():
        settle(project, folder, answers[question], only)
    write_secretly(project / ".env", environment(answers))
    if came_from := origin(answers):
        text = json.dumps(came_from, indent=2, ensure_ascii=False) + "\n"
        (project / ".cruft.json").write_text(text, encoding="utf-8")
    print(f"{answers['project_name']} is ready. Next:\n")
    print(f"    cd {project.name}")
    print("    make install dev")


if __name__ == "__main__":
    main(Path.cwd(), json.loads(r"""{{ cookiecutter | jsonify }}"""))
