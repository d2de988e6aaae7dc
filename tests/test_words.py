"""The files of users and of this repository avoid replaced words, too."""

import importlib.util

from tests.conftest import ROOT

SOURCE = ROOT / "{{cookiecutter.project_slug}}"


def product_words():
    """Import the product's own test, which has the list of words."""
    path = SOURCE / "tests/unit/test_words.py"
    spec = importlib.util.spec_from_file_location("product_words", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_replaced_word_is_left_in_the_repository():
    words = product_words()
    in_product = f"{SOURCE.name}/"
    checked_there = {
        in_product + path.relative_to(SOURCE).as_posix()
        for path in words.texts(SOURCE)
        if path.relative_to(SOURCE).as_posix() not in words.USER_FILES
    }

    assert not words.findings(ROOT, skipped=checked_there)
