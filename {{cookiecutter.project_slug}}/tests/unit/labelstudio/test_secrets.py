"""Secrets are masked in stored and displayed values."""

import copy
import json
import tracemalloc
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsml.labelstudio.secrets import error_text, masked, masked_text

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoxLCJleHAiOjF9.c2lnbmF0dXJlc2lnbmF0dXJl"
PROTOCOL = Path(__file__).parents[2] / "protocol"
innocent = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("abc xyz", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
)


@pytest.mark.parametrize(
    "key",
    [
        "access_token", "token", "password", "login", "task_data_login",
        "task_data_password", "Authorization", "X-Api-Key", "api_key", "apiKey",
        "client-secret", "AWS_SECRET_ACCESS_KEY", "X-Webhook-Token", "webhook_token",
    ],
)  # fmt: skip
def test_a_secret_is_masked_by_its_key_at_any_depth(key):
    assert masked({"project": [{key: "geheim"}]}) == {"project": [{key: "***"}]}


@pytest.mark.parametrize("value", [None, "", 0, False, [], {}])
def test_empty_values_are_not_masked(value):
    assert masked({"password": value}) == {"password": value}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://me:geheim@host/x", "http://***@host/x"),
        ("https://geheim@host/x", "https://***@host/x"),
        ("see postgres://me:gehe%40im@db:5432/x", "see postgres://***@db:5432/x"),
        ("https://h/x?a=1&token=geheim&b=2", "https://h/x?a=1&token=***&b=2"),
        ("/data/x.png?X-Amz-Signature=geheim", "/data/x.png?X-Amz-Signature=***"),
        ("https://h/c?sv=2020&sig=gehe%2Bim%3D", "https://h/c?sv=2020&sig=***"),
        ("Bearer geheimgeheim1", "Bearer ***"),
        ("Basic bWU6Z2VoZWltZ2VoZWlt", "Basic ***"),
        (f"it was {JWT}", "it was ***"),
    ],
)
def test_a_secret_is_recognised_by_its_form(text, expected):
    assert masked({"x": text}) == {"x": expected}
    assert masked_text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "The token was a bearer of Basic good manners",
        "Basic training",
        "password: the word every form asks for?",
        "mail me@example.org or see http://host:80/a@b and http://host?mail=a@b",
        "https://host/image.png?width=3&key_size=4",
    ],
)
def test_text_about_secrets_is_not_masked(text):
    task = {"data": {"text": text, "token": "bank", "login": "a column"}}
    assert masked(task) == task


def test_an_unambiguous_secret_is_masked_even_in_task_data():
    assert masked({"data": {"password": "geheim"}}) == {"data": {"password": "***"}}


@given(innocent)
def test_values_without_secrets_are_neither_changed_nor_copied(value):
    before = copy.deepcopy(value)
    assert masked(value) is value
    assert value == before


@given(innocent)
def test_what_is_masked_was_copied_before(value):
    sent = {"a": [{"token": "geheim", "rest": value, "n\x00": 1}], "rest": value}
    before = copy.deepcopy(sent)
    expected = {"a": [{"token": "***", "rest": value, "n\ufffd": 1}], "rest": value}
    assert masked(sent) == expected
    assert sent == before


def test_a_nul_character_cannot_reach_the_database():
    assert b"u0000" not in orjson.dumps(masked({"a\x00": ["b\x00"]}))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("login with password='geheim' failed", "login with password='***' failed"),
        ('sent {"access_token": "geheim"}', 'sent {"access_token": "***"}'),
        ("Authorization: Token 0123456789abcdef01234", "Authorization: Token ***"),
        ("connect to http://me:geheim@h failed", "connect to http://***@h failed"),
        ("API_KEY=geheim, retry", "API_KEY=***, retry"),
        ("BASIC_AUTH_PASS=geheim", "BASIC_AUTH_PASS=***"),
        ('{"basic_auth_pass": "geheim"}', '{"basic_auth_pass": "***"}'),
        ("SECRET_KEY: geheim", "SECRET_KEY: ***"),
        ("AWS_SECRET_ACCESS_KEY=geheim", "AWS_SECRET_ACCESS_KEY=***"),
        ("X-Webhook-Token: geheim", "X-Webhook-Token: ***"),
    ],
)
def test_secrets_within_a_line_are_masked(line, expected):
    assert masked_text(line) == expected


def test_recorded_webhooks_lose_their_project_secrets():
    body = json.loads((PROTOCOL / "webhook/annotation_created.json").read_text())
    sent = body["request"]
    sent["project"] |= {"token": "geheim", "task_data_password": "geheim"}
    kept = masked(sent)
    assert "geheim" not in json.dumps(kept)
    assert kept["annotation"] == sent["annotation"]
    assert kept["task"] == sent["task"]


def test_an_error_is_told_by_its_kind_and_a_masked_message_of_limited_length():
    error = ValueError("https://me:s3cret@host/ " + "x" * 1000)
    text = error_text(error)
    assert text.startswith("ValueError: https://***@host/ x")
    assert len(text) == len("ValueError: ") + 500


def test_long_keys_do_not_stay_in_memory():
    tracemalloc.start()
    for number in range(20):
        masked({"k" * 500_000 + str(number): 1})
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000
