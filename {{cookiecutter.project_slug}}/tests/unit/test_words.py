"""One word per thing: a word that the product's vocabulary replaced stays away."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
# Replaced words, as a regular expression: the word to use instead.
REPLACED = {
    "errands?": "job",
    "deeds?": "audit entry; action (of a webhook)",
    "doorbells?|rings?|ringing|rang|bells?": "wake a worker, notify",
    "attends?|attending|attend_to|intake": "process the inbox",
    "untold": "payload missing",
    "asked_by|askers?|wish|wishes|wished": "requested by, actor, request",
    "patience|patient|patiently": "timeout; retry while the database is down",
    "childwork|nursery": "training process, warm process",
    "endings?": "outcome",
    "journals?": "progress",
    "tidy|tidying|tidied|upkeep": "cleanup",
    "materials?": "training inputs",
    "meet_project|note_project": "get or create, update a project",
}
ALLOWED = [
    r"material-symbols",  # the icon font, as it names itself
    r"\bending=",  # an argument of Django's OutputWrapper.write
]
SUFFIXES = {".py", ".html", ".md", ".toml", ".yaml"}
NAMES = {"Makefile", ".env.example"}
# Files that users of the template rewrite in their own words. The template's own tests
# search them as they are delivered.
USER_FILES = {"model.py", "README.md", "tests/test_model.py"}
GENERATED = {"build", "staticfiles"}

# An underscore ends a word: names are searched word by word.
_WORDS = re.compile(rf"(?<![^\W_])({'|'.join(REPLACED)})(?![^\W_])", re.IGNORECASE)
_ALLOWED = re.compile("|".join(ALLOWED))


def texts(folder):
    """Yield the files to search below `folder`. Hidden folders are skipped."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name[0] != "." and path.name not in GENERATED:
            yield from texts(path)
        elif path.is_file() and (path.suffix in SUFFIXES or path.name in NAMES):
            yield path


def replaced_words(line):
    return _WORDS.findall(_ALLOWED.sub("", line))


def findings(folder, *, skipped=()):
    """Return `path:line: word (use: ...)` for each replaced word."""
    found = []
    for path in texts(folder):
        name = path.relative_to(folder).as_posix()
        if path == Path(__file__) or name in skipped:
            continue
        found += [
            f"{name}:{number}: {word} (use: {_instead(word)})"
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
            for word in replaced_words(line)
        ]
    return found


def _instead(word):
    return next(
        instead
        for pattern, instead in REPLACED.items()
        if re.fullmatch(pattern, word, re.IGNORECASE)
    )


def test_no_replaced_word_is_left():
    found = findings(PROJECT, skipped=USER_FILES)

    assert not found, "Replaced words:\n" + "\n".join(found)


def test_the_search_finds_words_inside_names_and_in_any_case():
    assert replaced_words("def record_deed(Wish): # Doorbell") == [
        "deed",
        "Wish",
        "Doorbell",
    ]


def test_the_search_leaves_longer_words_and_the_allowed_uses_alone():
    line = 'string = "earring material-symbols"; write(text, ending="")'

    assert replaced_words(line) == []
