"""How the web process serves: `gunicorn -c config/gunicorn.py config.wsgi`."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

# Before prometheus_client is imported, which reads it once.
_counts = tempfile.TemporaryDirectory(prefix="lsml-metrics-")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _counts.name

from prometheus_client import multiprocess  # noqa: E402 - see above

bind = f"{os.environ.get('BIND_HOST', '127.0.0.1')}:{os.environ.get('PORT', '9090')}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))
# Libraries are imported once, before the fork: quicker to start, and memory is shared.
preload_app = True
# A worker that stops answering its own heartbeat this long is replaced. Threads keep
# it beating, so it does not limit how long a prediction may take.
timeout = 60
graceful_timeout = int(os.environ.get("WEB_GRACE_S", "20"))
keepalive = 15  # seconds an idle client may keep its connection
# A heartbeat on a container's layered disk can block for seconds.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Import model.py before the first request, not in it: Label Studio waits 1 s.

    After the fork, as a library that holds a GPU would not survive it. Whatever the
    user's module raises is raised again, and answered, by each request.
    """
    from lsml.registry.model_class import model_class

    with suppress(Exception):
        model_class()


# /metrics adds up the counts of all web processes, which share them through files.


def child_exit(server: object, worker: Any) -> None:
    """Let a gone process' gauges go; its counts stay in the sum."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: object) -> None:
    """Leave no counts behind."""
    _counts.cleanup()
