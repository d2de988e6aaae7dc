"""The functions of the post-generation hook."""

import re
import stat
import subprocess

import pytest

ANSWERS = {"project_name": "A", "author_email": "ada@example.com", "starter": "plain",
           "license": "MIT", "ci": "none"}  # fmt: skip


@pytest.fixture
def project(tmp_path):
    for path in ("model.py", "example/texts.csv", "options/other/model.py",
                 "options/other/sub/new.txt", "options/third/no.txt"):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_chosen_folder_is_copied_over_the_project(post_gen, project):
    post_gen.settle(project, "options", "other", {})

    assert files(project) == {
        "model.py": "options/other/model.py",
        "sub/new.txt": "options/other/sub/new.txt",
        "example/texts.csv": "example/texts.csv",
    }


def test_the_default_stays_when_it_is_chosen(post_gen, project):
    post_gen.settle(project, "options", "default", {"default": ["example"]})

    assert files(project) == {
        "model.py": "model.py",
        "example/texts.csv": "example/texts.csv",
    }


def test_files_that_only_another_choice_needs_are_removed(post_gen, project):
    post_gen.settle(project, "options", "other", {"default": ["example"]})

    assert "example/texts.csv" not in files(project)


def test_each_project_gets_secrets_of_its_own(post_gen):
    texts = [post_gen.environment(ANSWERS) for _ in range(2)]

    for name in (
        "SECRET_KEY",
        "BASIC_AUTH_PASS",
        "ADMIN_PASSWORD",
        "POSTGRES_PASSWORD",
        "DATABASE_SERVICE_PASSWORD",
    ):
        values = [re.search(rf"^{name}=(.+)$", text, re.MULTILINE)[1] for text in texts]
        assert values[0] != values[1]
        assert len(values[0]) >= 16


def test_only_their_owner_can_read_the_secrets(post_gen, tmp_path):
    post_gen.write_secretly(tmp_path / ".env", "A=b\n")

    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_secrets_of_an_older_project_are_kept(post_gen, tmp_path):
    (tmp_path / ".env").write_text("A=old\n")

    post_gen.write_secretly(tmp_path / ".env", "A=new\n")

    assert (tmp_path / ".env").read_text() == "A=old\n"


@pytest.fixture
def template(tmp_path):
    """A git repository, as cookiecutter clones it or a user names it."""
    folder = tmp_path / "template"
    folder.mkdir()
    for words in (
        ["init", "--quiet"],
        ["remote", "add", "origin", "https://example.com/template.git"],
        ["-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet",
         "--allow-empty", "-m", "first"],
    ):  # fmt: skip
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def test_a_project_knows_the_commit_of_its_template(post_gen, template):
    answers = ANSWERS | {"_repo_dir": str(template), "_template": str(template)}
    known = post_gen.origin(answers)

    assert re.fullmatch("[0-9a-f]{40}", known["commit"])
    assert known["template"] == str(template)
    assert known["context"] == {"cookiecutter": ANSWERS}


def test_a_template_from_an_address_is_known_by_it(post_gen, template):
    # cookiecutter cloned it, perhaps from an abbreviation such as gh:team/template.
    answers = ANSWERS | {"_repo_dir": str(template), "_template": "gh:team/template"}

    assert post_gen.origin(answers)["template"] == "https://example.com/template.git"


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("https://ada:t0ken@example.com/a.git", "https://example.com/a.git"),
        ("https://t0ken@example.com:8443/a.git", "https://example.com:8443/a.git"),
        ("https://ada:t0@ken@example.com/a.git", "https://example.com/a.git"),
        ("ssh://git:t0ken@example.com/a.git", "ssh://git@example.com/a.git"),
        ("ssh://git@example.com:2222/a.git", "ssh://git@example.com:2222/a.git"),
        ("git@example.com:team/a.git", "git@example.com:team/a.git"),
    ],
)
def test_credentials_in_the_address_are_not_written(post_gen, template, address, known):
    # .cruft.json is committed.
    words = ["git", "remote", "set-url", "origin", address]
    subprocess.run(words, cwd=template, check=True)
    answers = ANSWERS | {"_repo_dir": str(template), "_template": address}

    assert post_gen.origin(answers)["template"] == known


def test_a_template_that_is_no_repository_is_not_known(post_gen, tmp_path):
    answers = ANSWERS | {"_repo_dir": str(tmp_path), "_template": str(tmp_path)}

    assert post_gen.origin(answers) is None
    assert post_gen.origin(ANSWERS) is None  # cruft bakes, and knows it already
