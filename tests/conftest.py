"""Fixtures: the hooks, and one bake per set of answers, shared by all tests."""

import importlib.util
import json
import os
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from demo.baking import bake as bake_project  # noqa: E402 - the path first

OPTIONS = {
    question: answers
    for question, answers in json.loads(
        (ROOT / "cookiecutter.json").read_text()
    ).items()
    if isinstance(answers, list) and not question.startswith("_")
}
DEFAULTS = {question: answers[0] for question, answers in OPTIONS.items()}


@pytest.fixture(autouse=True, scope="session")
def _no_home(tmp_path_factory):
    """Use an empty home folder without git configuration, as on a new machine."""
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def bake(tmp_path_factory):
    """Return a function that bakes answers; tests must not change its projects."""

    @cache
    def made(answers):
        return bake_project(tmp_path_factory.mktemp("bake"), dict(answers))

    # Answers that are the defaults make no other project.
    return lambda **answers: made(tuple(sorted((DEFAULTS | answers).items())))


def load_hook(name):
    """Import a hook from its source, unrendered."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"hooks/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def pre_gen():
    return load_hook("pre_gen_project")


@pytest.fixture(scope="session")
def post_gen():
    return load_hook("post_gen_project")
