"""Are the compiled lists of libraries in step with what they are compiled from?"""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "requirements"


def wanted(name):
    """Names in a `.in` file and those it builds on."""
    text = (FOLDER / f"{name}.in").read_text()
    named = re.findall(r"^([A-Za-z0-9_.-]+)", text, re.MULTILINE)
    found = {re.sub(r"[-_.]+", "-", each).lower() for each in named if each[0] != "-"}
    for other in re.findall(r"^-r (\w+)\.in", text, re.MULTILINE):
        found |= wanted(other)
    return found


def pinned(name):
    """Names and versions in a `.txt` file."""
    text = (FOLDER / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^]]*\])?==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    "name", ["uv", "base", "tracing", "sentry", "local", "model", "dev"]
)
def test_every_required_library_is_pinned(name):
    assert wanted(name) - set(pinned(name)) == set()


@pytest.mark.parametrize(
    ("inner", "outer"), [("base", "local"), ("model", "local"), ("local", "dev")]
)
def test_development_runs_on_the_versions_of_production(inner, outer):
    differing = set(pinned(inner).items()) - set(pinned(outer).items())

    assert differing == set()


@pytest.mark.parametrize("extra", ["tracing", "sentry"])
def test_an_extra_changes_no_version_of_the_images(extra):
    base, added = pinned("base"), pinned(extra)
    assert {name: base.get(name, added[name]) for name in added} == added


def test_the_images_lack_what_only_other_uses_of_label_studio_sdk_need():
    left_out = (FOLDER / "not-installed.txt").read_text().splitlines()
    names = {each for each in left_out if not each.startswith("#")}
    assert names.isdisjoint(pinned("local"))
    assert (names | wanted("model")).isdisjoint(pinned("base"))


@pytest.mark.parametrize("name", ["base", "tracing", "sentry"])
def test_the_images_are_made_of_libraries_with_known_hashes(name):
    text = (FOLDER / f"{name}.txt").read_text()
    entries = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pinned(name))
    for entry in entries:
        assert " \\\n    --hash=sha256:" in entry, entry
    dockerfile = (FOLDER.parent / "Dockerfile").read_text()
    assert "--require-hashes -r requirements/base.txt" in dockerfile
