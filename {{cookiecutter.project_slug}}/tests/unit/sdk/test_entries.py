"""The reference's other modules: api, exceptions, cache."""

import pytest

from label_studio_ml.api import ServedByTheProject, init_app
from label_studio_ml.cache import CACHE, create_cache
from label_studio_ml.exceptions import AnswerException, answer, exception_handler
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.state import MemoryStore, bound


class Mine(LabelStudioMLBase):
    """A model whose project still has a _wsgi.py."""


def test_init_app_says_what_to_run_instead():
    with pytest.raises(ServedByTheProject, match=r"Mine needs no _wsgi\.py.*make dev"):
        init_app(model_class=Mine, basic_auth_user="u")


def test_init_app_refuses_other_classes_as_the_reference_does():
    with pytest.raises(ValueError, match="subclass of LabelStudioMLBase"):
        init_app(dict)


def test_an_answer_is_a_body_and_a_status():
    assert answer(200) == ({"status": 200, "detail": "ok"}, 200)
    assert answer(404, "gone", [1])[0] == {
        "status": 404,
        "detail": "gone",
        "result": [1],
    }


def test_a_view_answers_with_its_error_and_without_a_traceback():
    @exception_handler
    def broken():
        raise KeyError("text")

    assert broken() == ({"status": 500, "detail": "KeyError: 'text'"}, 500)


def test_a_view_can_raise_its_answer():
    @exception_handler
    def refusing():
        raise AnswerException(402, "pay first")

    assert refusing() == ({"status": 402, "detail": "pay first"}, 402)
    assert refusing.__name__ == "refusing"


def test_the_cache_of_the_reference_is_the_state_of_models():
    Mine(project_id="1").set("prompt", "be kind")
    assert CACHE["1", "prompt"] == "be kind"
    CACHE["1", "prompt"] = "be brief"
    assert Mine(project_id="1").get("prompt") == "be brief"
    assert ("1", "never") not in CACHE


def test_the_cache_of_the_reference_is_the_bound_state_inside_a_block():
    store = MemoryStore({"prompt": "bound"})
    with bound(store):
        assert CACHE["1", "prompt"] == "bound"


def test_a_sqlite_cache_stores_strings_in_its_file(tmp_path):
    cache = create_cache("sqlite", tmp_path / "new")
    cache["1", "key"] = "value"
    again = create_cache("sqlite", tmp_path / "new")
    assert (again["1", "key"], ("2", "key") in again) == ("value", False)
    del again["1", "key"]
    assert cache["1", "key"] is None
    with pytest.raises(ValueError, match="must be a string"):
        cache["1", "key"] = 3


def test_other_kinds_of_cache_are_refused():
    with pytest.raises(ValueError, match="Unsupported cache type: redis"):
        create_cache("redis", ".")
