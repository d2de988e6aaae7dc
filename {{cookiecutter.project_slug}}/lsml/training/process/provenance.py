"""Finds what a version was trained with: the code's revision and the packages."""

import hashlib
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from django.conf import settings

from label_studio_ml.hosting import ModelClass


def code_revision(model_class: ModelClass) -> str:
    """Return `git:<commit>` if the model's file is unchanged, else `sha256:<hex>`."""
    source = sys.modules[model_class.__module__].__file__
    if source is None:
        return ""
    if (head := commit()) and _git("status", "--porcelain", "--", source) == "":
        return f"git:{head}"
    return f"sha256:{hashlib.sha256(Path(source).read_bytes()).hexdigest()}"


def commit() -> str | None:
    """Return the commit of the project's folder; None if it is not in git."""
    return _git("rev-parse", "HEAD")


def installed_packages() -> dict[str, str]:
    """Return the version of every installed distribution, sorted by name."""
    found = {each.metadata["Name"]: each.version for each in distributions()}
    return {name: found[name] for name in sorted(found, key=str.lower) if name}


def _git(*arguments: str) -> str | None:
    """Return git's output; None without git, or outside a work tree."""
    try:
        answer = subprocess.run(  # noqa: S603 - fixed words and the model's own path
            ["git", "-C", str(settings.BASE_DIR), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
