"""The templates: what they copy of unfold's, and how they read."""

from pathlib import Path

import pytest
import unfold

OURS = Path("lsml/console/templates/unfold")
THEIRS = Path(unfold.__file__).parent / "templates" / "unfold"


@pytest.mark.parametrize(
    "path", sorted(OURS.rglob("*.html")), ids=lambda path: path.stem
)
def test_each_overridden_template_is_one_of_the_installed_unfold(path):
    assert (THEIRS / path.relative_to(OURS)).is_file()


def test_the_skeleton_offers_every_block_and_capture_of_the_installed_one():
    skeleton = Path("layouts/skeleton.html")
    ours, theirs = (OURS / skeleton).read_text(), (THEIRS / skeleton).read_text()
    needed = {
        word.partition("%}")[0].strip()
        for mark in ("{% block ", "{% capture as ")
        for word in theirs.split(mark)[1:]
    }
    assert {word for word in needed if word not in ours} == set()


@pytest.mark.parametrize(
    "path", sorted(OURS.parent.rglob("*.html")), ids=lambda path: path.stem
)
def test_a_template_has_one_element_per_line(path):
    lines = path.read_text().splitlines()
    # A message is one string, and a list of classes one attribute.
    whole = ('{% translate "', "class=")
    long = [line for line in lines if len(line) > 165]
    assert [line for line in long if not line.strip().startswith(whole)] == []
