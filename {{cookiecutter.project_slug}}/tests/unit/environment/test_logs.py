"""Lines of libraries that would only alarm people are not logged."""

from kombu import Connection


def test_a_message_that_a_stopping_worker_puts_back_is_no_warning(caplog):
    with Connection("memory://") as connection:
        queue = connection.SimpleQueue("default")
        queue.put("wake")
        queue.consumer.cancel()  # as a worker does that stops
        channel = connection.default_channel
        channel.connection._deliver(channel._get("default"), "default")
        assert queue.qsize() == 1
    assert caplog.text == ""
