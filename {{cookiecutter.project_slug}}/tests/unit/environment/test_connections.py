"""Timeouts and retries fit the process: web must not wait, a worker can."""

import pytest

from lsml.environment import connections

REDIS = "redis://broker:6379/0"
SOCKET = "redis+socket:///run/valkey.sock?virtual_host=0"
RABBITMQ = "amqp://user:password@broker:5672//"
NOT_WORKERS = ["web", "beat", "command"]


@pytest.mark.parametrize("process", NOT_WORKERS)
@pytest.mark.parametrize("url", [REDIS, SOCKET, RABBITMQ, "pyamqp://broker//"])
def test_only_a_worker_waits_for_the_broker(url, process):
    options = connections.broker_options(url, process=process)
    timeouts = {name: value for name, value in options.items() if "_timeout" in name}
    timeouts.pop("visibility_timeout", None)
    assert set(timeouts.values()) == {0.1}
    if connections.is_rabbitmq(url):
        assert connections.broker_connect_timeout_s(url, process=process) == 0.1


def test_a_worker_waits_for_redis():
    assert connections.broker_options(REDIS, process="worker") == {
        "visibility_timeout": 300,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
    }


def test_a_worker_waits_for_rabbitmq():
    options = connections.broker_options(RABBITMQ, process="worker")
    assert options == {"confirm_publish": True}
    assert connections.broker_connect_timeout_s(RABBITMQ, process="worker") == 4


@pytest.mark.parametrize("process", NOT_WORKERS)
def test_rabbitmq_confirms_every_message(process):
    options = connections.broker_options(RABBITMQ, process=process)
    assert options["confirm_publish"]


@pytest.mark.parametrize(
    ("process", "retries"), [("web", 0), ("command", 0), ("worker", 2), ("beat", 2)]
)
def test_workers_and_beat_send_a_message_again(process, retries):
    policy = connections.publish_retry_policy(process=process)
    assert policy["max_retries"] == retries


@pytest.mark.parametrize("process", ["worker", "beat", "dev", "command"])
def test_only_processes_that_answer_requests_limit_their_statements(process):
    web = connections.database_options(process="web", statement_timeout_ms=500)
    assert "-c statement_timeout=500" in web["options"]
    other = connections.database_options(process=process, statement_timeout_ms=500)
    assert "statement_timeout" not in other.get("options", "")


@pytest.mark.parametrize("process", ["web", "model", "worker", "beat"])
def test_a_service_that_is_cut_off_in_a_transaction_leaves_its_locks_a_minute(process):
    options = connections.database_options(process=process, statement_timeout_ms=500)
    assert "-c idle_in_transaction_session_timeout=60000" in options["options"]


@pytest.mark.parametrize("process", ["web", "worker"])
def test_nothing_that_a_transaction_pooler_refuses_is_sent(process):
    options = connections.database_options(
        process=process, statement_timeout_ms=500, pooled=True
    )
    assert "options" not in options


def test_a_limit_of_0_sends_no_start_up_option():
    options = connections.database_options(process="web", statement_timeout_ms=0)
    assert "options" not in options
