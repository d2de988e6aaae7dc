"""Timeouts and retries of the connections to PostgreSQL and the broker.

They depend on the process: web must fail within an annotator's request, a worker can
wait. `config/settings.py` calls this module.
"""

from typing import Any, Final

# Of the processes that are not workers: Label Studio waits 1 s for a webhook's answer.
_BROKER_TIMEOUT_S: Final = 0.1
_WORKER_TIMEOUT_S: Final = 30
_WORKER_CONNECT_TIMEOUT_S: Final = 5
_CELERY_CONNECT_TIMEOUT_S: Final = 4.0  # Celery's default
# A host that is cut off inside a transaction leaves its locks behind. PostgreSQL ends a
# session that sends nothing inside a transaction for so long.
_IDLE_IN_TRANSACTION_MS: Final = 60_000


def database_options(
    *, process: str, statement_timeout_ms: int, pooled: bool = False
) -> dict[str, object]:
    """Return psycopg's connection options.

    Args:
        process: web, model, worker, beat, dev or command.
        statement_timeout_ms: limit of a statement in a web or model process, in
            milliseconds; 0 = no limit.
        pooled: a transaction-pooling pgbouncer is in between. It refuses start-up
            options, so PostgreSQL gets no limits.
    """
    options: dict[str, object] = {
        "connect_timeout": 2,  # seconds; psycopg raises smaller values to 2
        # A host that loses power closes no connection. It is noticed after 10 s.
        "keepalives_idle": 4,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    limits: dict[str, int] = {}
    if process in {"web", "model"}:
        limits["statement_timeout"] = statement_timeout_ms
    if process in {"web", "model", "worker", "beat"}:
        limits["idle_in_transaction_session_timeout"] = _IDLE_IN_TRANSACTION_MS
    if limits and statement_timeout_ms and not pooled:
        options["options"] = " ".join(f"-c {name}={ms}" for name, ms in limits.items())
    return options


def is_rabbitmq(broker_url: str) -> bool:
    """Return whether the broker speaks AMQP."""
    return broker_url.startswith(("amqp", "pyamqp"))


def broker_connect_timeout_s(broker_url: str, *, process: str) -> float:
    """Return how long connecting to RabbitMQ may take. Redis has its own option."""
    if is_rabbitmq(broker_url) and process != "worker":
        return _BROKER_TIMEOUT_S
    return _CELERY_CONNECT_TIMEOUT_S


def broker_options(broker_url: str, *, process: str) -> dict[str, Any]:
    """Return the options of Celery's transport, with timeouts in seconds."""
    is_worker = process == "worker"
    if is_rabbitmq(broker_url):
        timeouts = (
            {}
            if is_worker
            else {
                "read_timeout": _BROKER_TIMEOUT_S,
                "write_timeout": _BROKER_TIMEOUT_S,
            }
        )
        return {"confirm_publish": True, **timeouts}
    return {
        "visibility_timeout": 300,
        "socket_timeout": _WORKER_TIMEOUT_S if is_worker else _BROKER_TIMEOUT_S,
        "socket_connect_timeout": (
            _WORKER_CONNECT_TIMEOUT_S if is_worker else _BROKER_TIMEOUT_S
        ),
    }


def publish_retry_policy(*, process: str) -> dict[str, int]:
    """Return how often Celery tries again to send a message.

    Web and commands try once: with retries a broker that is down would delay the
    request by seconds. Beat needs retries, because only a retry replaces a broken
    connection.
    """
    return {
        "max_retries": 2 if process in {"worker", "beat"} else 0,
        "interval_start": 0,
        "interval_step": 0,
        "interval_max": 0,
    }
