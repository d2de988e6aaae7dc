"""Every row that was accepted can be listed, and streamed as a whole."""

import json

import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lsml.audit.models import Prediction, WebhookEvent
from lsml.labelstudio.reading import NESTED_MAX
from tests.db.conftest import order

pytestmark = pytest.mark.django_db

NUMBERS = {
    "above 64 bits": (b"18446744073709551616", 18446744073709551616.0),
    "below 64 bits": (b"-9223372036854775809", -9223372036854775808.0),
    "largest of 64 bits": (b"18446744073709551615", 18446744073709551615),
    "300 digits": (b"1" * 300, float("1" * 300)),
    "large float": (b"1e308", 1e308),
    "tiny": (b"1e-400", 0.0),
    "minus zero": (b"-0.0", 0.0),
    "long fraction": (b"0." + b"1" * 5_000, 1 / 9),
}
_TEXTS = st.text(st.characters(codec=None), max_size=6)  # with NUL, lone surrogates
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats()
    | _TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4)
    ),
    max_leaves=10,
)
_QUICK = hypothesis_settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def hear(api, value):
    return api.post(
        "/webhook",
        b'{"action": "ANNOTATION_CREATED", "any": ' + value + b"}",
        content_type="application/json",
    )


def nested(levels):
    return b"[" * levels + b"]" * levels


@pytest.fixture
def listed(auditor):
    """Read all rows of a table in each way that REST offers."""

    def read(table):
        page = auditor.get(f"/api/v1/{table}")
        assert page.status_code == 200, page.content
        lines = auditor.get(f"/api/v1/{table}?format=jsonl").getvalue().splitlines()
        cells = auditor.get(f"/api/v1/{table}?format=csv").getvalue()
        rows = page.json()["results"]
        assert [orjson.loads(line) for line in lines][: len(rows)]
        assert cells.count(b"\n") > len(rows)
        return rows

    return read


@pytest.mark.parametrize("name", NUMBERS)
def test_an_event_with_any_number_is_listed_as_it_was_sent(api, listed, name):
    sent, read = NUMBERS[name]
    assert hear(api, sent).status_code == 200
    assert listed("events")[0]["payload"]["any"] == read


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 400, b"NaN"])
def test_a_number_that_is_no_float_is_refused(api, number):
    reply = hear(api, number)
    assert reply.status_code == 400
    assert "not JSON" in reply.json()["detail"]
    assert not WebhookEvent.objects.exists()


def test_an_event_nested_as_deeply_as_allowed_is_listed(api, listed):
    assert hear(api, nested(NESTED_MAX - 1)).status_code == 200
    assert hear(api, nested(NESTED_MAX)).status_code == 400
    assert len(listed("events")) == 1


@_QUICK
@given(value=_VALUES)
def test_any_accepted_event_is_listed_and_exported(api, listed, value):
    if hear(api, json.dumps(value).encode()).status_code == 200:
        listed("events")


def test_a_prediction_with_large_numbers_is_listed(post, scripted, listed, settings):
    settings.AUDIT_INPUTS = "full"
    scripted.answer = [{"result": [{"value": {"x": 1e300}}], "score": 1e19}]
    asked = order(1, params={"context": {"result": [], "large": 2**70}})
    asked["tasks"][0]["data"]["large"] = 2**70
    assert post("/predict", asked).status_code == 200
    (row,) = listed("predictions")
    assert row["result"] == [{"value": {"x": 1e300}}]
    assert row["context"]["large"] == row["input"]["large"] == 2.0**70


def test_a_result_that_is_nested_too_deeply_is_an_error_of_the_model(post, scripted):
    result = orjson.loads(nested(NESTED_MAX))
    scripted.answer = [{"result": [{"value": result}]}]
    reply = post("/predict", order(1))
    assert reply.status_code == 500
    assert "nested too deeply" in reply.json()["detail"]
    assert Prediction.objects.get().outcome == "error"
