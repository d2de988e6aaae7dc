"""Before baking: refuses answers that cannot work, with one sentence."""

import json
import os
import re
import sys
import unicodedata
from pathlib import Path

SLUG = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
SLUG_LETTERS_MAX = 50  # compose uses it in container names, which have at most 63
EMAIL = re.compile(r"[A-Za-z0-9.!#%&*+/=?^_|~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
PROSE = {  # question: characters that end a string in TOML, YAML, .env or a shell
    "project_name": "\"'`\\${}",
    "description": '"`\\${}',
    "author_name": '"`\\${}',
}


def complaint(answers: dict[str, str]) -> str | None:
    """Return what is wrong with the answers, or None."""
    slug = answers["project_slug"]
    if not SLUG.fullmatch(slug) or len(slug) > SLUG_LETTERS_MAX:
        return (
            f"project_slug {slug!r} cannot name the project: use at most"
            f" {SLUG_LETTERS_MAX} small letters, digits and single hyphens,"
            " starting with a letter, such as 'support-sorter'."
        )
    for question, breaking in PROSE.items():
        if trouble := prose_complaint(answers[question], breaking):
            return f"{question} {answers[question]!r} {trouble}"
    if not EMAIL.fullmatch(answers["author_email"]):
        return (
            f"author_email {answers['author_email']!r} is not an e-mail address,"
            " such as 'ada@example.com'."
        )
    return None


def prose_complaint(text: str, breaking: str) -> str | None:
    """Return what is wrong with a line of prose, or None."""
    if not text.strip():
        return "is empty: a few words are needed."
    # Control characters (including newlines), lone surrogates, line separators.
    if any(unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} for each in text):
        return "has a line break or another control character: use a single line."
    if found := [each for each in breaking if each in text]:
        return f"has a {found[0]} in it, which would break the project's files."
    return None


def remove_nested(project: Path, slug: str) -> None:
    """Remove the empty folders that cookiecutter made for a slug with slashes.

    Cookiecutter removes only the innermost one. Folders that are not empty stay.
    """
    os.chdir("/")
    for folder in [project, *project.parents][: slug.strip("/").count("/") + 1]:
        try:
            folder.rmdir()
        except OSError:  # it is not empty, so it was there before
            return


def main(answers: dict[str, str]) -> int:
    """Return the exit status: 1 if an answer was refused."""
    trouble = complaint(answers)
    if trouble is None:
        return 0
    print(trouble, file=sys.stderr)
    if "/" in answers["project_slug"]:
        remove_nested(Path.cwd(), answers["project_slug"])
    return 1


if __name__ == "__main__":
    sys.exit(main(json.loads(r"""{{ cookiecutter | jsonify }}""")))
