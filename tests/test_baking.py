"""Bakes every option: files are complete, and the code equals the template's."""

import filecmp
import json
import re
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.conftest import DEFAULTS, OPTIONS, ROOT

SOURCE = ROOT / "{{cookiecutter.project_slug}}"
RENDERED = {"README.md", "LICENSE"}  # the only files with answers in them
OPTION_FOLDERS = {"starters", "licenses", "ci"}
BAKES = [
    DEFAULTS,
    {"starter": "blank", "license": "Proprietary", "ci": "none"},
    {"starter": "blank", "license": "Apache-2.0", "ci": "gitlab-ci"},
    {"license": "BSD-3-Clause", "ci": "none"},
]
EVERY_BAKE = pytest.mark.parametrize("answers", BAKES, ids=str)
PROSE = {
    "project_name": "Größe & Söhne",
    "description": "Sorts 'texts': <b>90 %</b> # right, yes!",
    "author_name": "Zoë O'Brien, Ltd.",
}


def tracked(folder):
    """Return what is in git below a folder, as paths relative to it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=folder, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return {
        Path(name) for name in listed.split("\0") if name and (folder / name).exists()
    }


def baked_files(project):
    return {path.relative_to(project) for path in project.rglob("*") if path.is_file()}


@EVERY_BAKE
def test_the_project_holds_the_sources_files_and_no_alternatives(bake, answers):
    project = bake(**answers)

    chosen = DEFAULTS | answers
    expected = {path for path in tracked(SOURCE) if path.parts[0] not in OPTION_FOLDERS}
    if chosen["starter"] != "text-classification":
        expected = {path for path in expected if path.parts[0] != "example"}
    for folder, question in [
        ("starters", "starter"),
        ("licenses", "license"),
        ("ci", "ci"),
    ]:
        option = SOURCE / folder / chosen[question]
        expected |= tracked(option) if option.is_dir() else set()
    assert baked_files(project) == expected | {Path(".env")}


@EVERY_BAKE
def test_no_template_mark_is_left(bake, answers):
    project = bake(**answers)

    for name in RENDERED:
        assert not re.search(r"{{|{%|{#|cookiecutter\.", (project / name).read_text())


@EVERY_BAKE
def test_all_files_except_the_rendered_ones_equal_the_sources(bake, answers):
    project = bake(**answers)
    chosen = DEFAULTS | answers
    layers = [
        SOURCE,
        SOURCE / "starters" / chosen["starter"],
        SOURCE / "licenses" / chosen["license"],
        SOURCE / "ci" / chosen["ci"],
    ]

    for path in baked_files(project) - {Path(name) for name in [*RENDERED, ".env"]}:
        source = [layer / path for layer in layers if (layer / path).exists()][-1]
        assert filecmp.cmp(project / path, source, shallow=False), path
        assert (project / path).stat().st_mode == source.stat().st_mode, path


@EVERY_BAKE
def test_all_python_compiles(bake, answers):
    for path in bake(**answers).rglob("*.py"):
        compiled(path.read_bytes())


@cache  # the bakes share most files
def compiled(source):
    return compile(source, "a baked file", "exec", dont_inherit=True)


@EVERY_BAKE
def test_the_secrets_are_fresh_and_for_their_owner_alone(bake, answers):
    env = bake(**answers) / ".env"

    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert re.search(r"^SECRET_KEY=.{50,}$", env.read_text(), re.MULTILINE)


def test_git_ignores_the_secrets(bake, tmp_path):
    project = bake()
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    ignored = subprocess.run(
        ["git", f"--git-dir={tmp_path}/.git", f"--work-tree={project}",
         "check-ignore", ".env"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ignored.stdout.strip() == ".env"


def test_any_prose_is_rendered_whole(bake):
    project = bake(**PROSE)

    readme = (project / "README.md").read_text()
    assert PROSE["project_name"] in readme
    assert PROSE["description"] in readme
    assert PROSE["author_name"] in (project / "LICENSE").read_text()


def test_the_bakes_choose_every_answer():
    for question, offered in OPTIONS.items():
        assert {(DEFAULTS | answers)[question] for answers in BAKES} == set(offered)


@EVERY_BAKE
def test_the_license_is_the_chosen_one(bake, answers):
    first_words = {
        "MIT": "MIT License",
        "Apache-2.0": "Apache License",
        "BSD-3-Clause": "BSD 3-Clause License",
        "Proprietary": "All rights reserved",
    }
    text = (bake(**answers) / "LICENSE").read_text()
    assert first_words[(DEFAULTS | answers)["license"]] in text[:200]


def test_the_folder_is_named_after_the_project(bake):
    assert bake(**PROSE).name == "grosse-sohne"


@pytest.mark.parametrize(
    ("answers", "path", "schema"),
    [
        (BAKES[0], ".github/workflows/ci.yml", "vendor.github-workflows"),
        (BAKES[2], ".gitlab-ci.yml", "vendor.gitlab-ci"),
    ],
    ids=["github", "gitlab"],
)
def test_the_ci_file_is_valid_and_runs_targets_of_the_makefile(
    bake, answers, path, schema
):
    project = bake(**answers)

    subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, path],
        cwd=project, check=True,
    )  # fmt: skip

    makefile = (project / "Makefile").read_text()
    words = re.findall(r"make ([a-z]+)$", (project / path).read_text(), re.MULTILINE)
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    assert words == ["install", "lint", "test", "sbom", "scan"]
    assert set(words) <= set(targets)


@pytest.mark.parametrize(
    ("answers", "path"),
    [(BAKES[0], ".github/workflows/ci.yml"), (BAKES[2], ".gitlab-ci.yml")],
    ids=["github", "gitlab"],
)
def test_ci_builds_every_image_that_it_starts(bake, answers, path):
    text = (bake(**answers) / path).read_text()

    started = re.findall(r"docker compose up (.+)", text)
    assert started == ["--detach --build --wait"]


def test_renovates_settings_are_valid(bake):
    subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema",
         "vendor.renovate", "renovate.json"],
        cwd=bake(), check=True,
    )  # fmt: skip


def test_every_yaml_and_json_file_parses(bake):
    for path in bake().rglob("*"):
        if path.suffix in {".yaml", ".yml"}:
            list(yaml.safe_load_all(path.read_text()))
        elif path.suffix == ".json":
            json.loads(path.read_text())


def test_the_options_offered_match_the_folders():
    folders = {
        "starter": {*os_names(SOURCE / "starters"), "text-classification"},
        "license": os_names(SOURCE / "licenses"),
        "ci": {*os_names(SOURCE / "ci"), "none"},
    }

    assert {question: set(answers) for question, answers in OPTIONS.items()} == folders


def os_names(folder):
    return {path.name for path in folder.iterdir()}
