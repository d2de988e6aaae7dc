"""Which workers answer, and how many messages wait in a queue."""

from celery import current_app
from kombu.exceptions import OperationalError

BROKER_ERRORS = (OperationalError, OSError)
_WAIT_S = 0.7  # a live worker answers within a few milliseconds


def answering_workers() -> dict[str, set[str]]:
    """Return the queues of each worker that answers, by the worker's name.

    Takes 0.7 s: there is no list of workers whose answers could be counted.

    Raises:
        OperationalError, OSError: The broker does not answer.
    """
    answers = current_app.control.inspect(timeout=_WAIT_S).active_queues() or {}
    return {
        name: {queue["name"] for queue in queues} for name, queues in answers.items()
    }


def queues() -> list[str]:
    """Return the names of all queues that messages are sent to."""
    conf = current_app.conf
    routed = {route["queue"] for route in conf.task_routes.values()}
    return sorted({conf.task_default_queue, *routed})


def queue_of(task: str) -> str:
    """Return the name of the queue that a task's messages go to."""
    name: str = current_app.amqp.router.route({}, task)["queue"].name
    return name


def messages_waiting(queue: str) -> int | None:
    """Return how many messages wait in a queue; None if the broker does not say."""
    with current_app.pool.acquire(block=True) as connection:
        unknown = *connection.connection_errors, *connection.channel_errors
        try:
            connection.connect()  # the pool may hold one that somebody closed
            with connection.channel() as channel:
                declared = current_app.amqp.queues[queue](channel)
                return int(declared.queue_declare(passive=True).message_count)
        except unknown:  # no broker, or no such queue yet
            return None
