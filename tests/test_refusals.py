"""Answers that the template refuses. A refusal leaves no files behind."""

import pytest

from demo.baking import BakeRefused
from demo.baking import bake as bake_project

GOOD = {
    "project_name": "Support Sorter",
    "project_slug": "support-sorter",
    "description": "Sorts texts; 90 % right, it's said.",
    "author_name": "Zoë O'Brien & Søns",
    "author_email": "zoe.o'brien+ml@mail.example.com",
}


def test_ordinary_answers_are_accepted(pre_gen):
    assert pre_gen.complaint(GOOD | {"author_email": "zoe+ml@example.com"}) is None


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "1st",
        "-a",
        "a-",
        "a--b",
        "Support",
        "a b",
        "a/b",
        "../a",
        "a.b",
        "ä",
        "a" * 51,
    ],
)
def test_a_slug_that_cannot_name_a_folder_or_container_is_refused(pre_gen, slug):
    assert "project_slug" in pre_gen.complaint(GOOD | {"project_slug": slug})


@pytest.mark.parametrize(
    "slug", ["a", "a1", "support-sorter", "support_sorter", "a" * 50]
)
def test_a_usual_slug_is_accepted(pre_gen, slug):
    answers = GOOD | {"project_slug": slug, "author_email": "zoe@example.com"}
    assert pre_gen.complaint(answers) is None


@pytest.mark.parametrize("question", ["project_name", "description", "author_name"])
@pytest.mark.parametrize(
    "text", ["", "  ", 'a "b" c', "a\nb", "a\rb", "a\x00b", "a\x1bb", "a\u2028b",
             "a\\b", "a {{ b", "${HOME}", "a `b`"],
)  # fmt: skip
def test_prose_that_would_break_a_file_is_refused(pre_gen, question, text):
    complaint = pre_gen.complaint(GOOD | {question: text})
    assert question in complaint
    assert "\n" not in complaint


def test_a_project_name_with_an_apostrophe_is_refused(pre_gen):
    assert "project_name" in pre_gen.complaint(GOOD | {"project_name": "Bob's"})


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "@b", "a b@c.d", "a@b\n", 'a"@b.c']
)
def test_an_invalid_email_address_is_refused(pre_gen, email):
    assert "author_email" in pre_gen.complaint(GOOD | {"author_email": email})


@pytest.mark.parametrize(
    ("answers", "named"),
    [
        ({"project_slug": "nested/deeper/slug"}, "project_slug"),
        ({"project_name": 'The "best" one', "project_slug": "best"}, "project_name"),
        ({"project_name": "two\nlines", "project_slug": "lines"}, "project_name"),
        ({"author_email": "nobody"}, "author_email"),
    ],
    ids=str,
)
def test_a_refused_bake_says_why_and_leaves_nothing(tmp_path, answers, named):
    beside = tmp_path / "beside"
    beside.mkdir()

    with pytest.raises(BakeRefused) as refused:
        bake_project(tmp_path, answers)

    sentences = [line for line in str(refused.value).splitlines() if named in line]
    assert len(sentences) == 1
    assert list(tmp_path.iterdir()) == [beside]


@pytest.mark.parametrize("name", ["🎉", "🤖 🎉"])
def test_a_name_without_letters_gets_an_ordinary_folder(tmp_path, name):
    assert bake_project(tmp_path, {"project_name": name}).name == "ml-service"


def test_existing_folders_are_not_removed(tmp_path):
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested/kept.txt").write_text("kept")

    with pytest.raises(BakeRefused):
        bake_project(tmp_path, {"project_slug": "nested/slug"})

    assert [each.name for each in tmp_path.rglob("*")] == ["nested", "kept.txt"]
