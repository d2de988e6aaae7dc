"""Settings of gunicorn: `gunicorn -c config/gunicorn.py config.wsgi`."""

import os
import shutil
from typing import Any

from lsml.observability import counts

# Must be set before prometheus_client is imported.
_counts = counts.make_counts_folder()
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_counts)

from prometheus_client import multiprocess  # noqa: E402 - see above

from lsml.environment import handshake, heap  # noqa: E402 - see above
from lsml.environment.reading import read_env_file  # noqa: E402 - see above

read_env_file()
heap.bound_heaps()

bind = f"{os.environ.get('BIND_HOST', '127.0.0.1')}:{os.environ.get('PORT', '9090')}"
# A thread gets a request when it has arrived, so slow clients occupy none.
worker_class = "lsml.api.server.BufferingWorker"
workers = int(os.environ.get("WEB_WORKERS", "2"))
# A prediction holds a thread while it waits for its model, so predictions have threads
# beside those of webhooks, health checks and the admin: lsml/inference/admission.py.
threads = int(os.environ.get("WEB_THREADS", "8")) + int(
    os.environ.get("WEB_PREDICT_THREADS", "16")
)
# Connections of each process. Beyond it the one that waits longest for its request is
# closed. Most systems allow a process 1,024 open files, and others are needed as well.
worker_connections = 600
backlog = 1024
# Imports libraries once, before the fork: the start is quicker and memory is shared.
preload_app = True
# Seconds without a heartbeat after which a worker is replaced. Threads keep up the
# heartbeat, so this does not limit how long a prediction may take.
timeout = 60
graceful_timeout = int(os.environ.get("WEB_GRACE_S", "20"))
keepalive = 15  # seconds that an idle client may keep its connection
worker_tmp_dir = counts.IN_MEMORY  # of the heartbeat
control_socket_disable = True


def on_starting(server: object) -> None:
    """Wait for `manage.py dev`, before connections are accepted."""
    from django.conf import settings

    counts.name_service(_counts, settings.DATA_DIR)
    handshake.wait_for_go()


def post_worker_init(worker: Any) -> None:
    """Import model.py before the first request, because Label Studio waits only 1 s.

    That runs after the fork, which libraries that use a GPU do not survive. If the
    user's module raises an error, each request raises and reports it again.
    """
    from django.conf import settings

    from lsml.registry.model_class import model_class

    heap.start_trimming()
    if settings.MODEL_PLACEMENT == "web":
        try:
            model_class()
        except (Exception, SystemExit):  # noqa: BLE001 - the user's code
            handshake.report_no_model()


# /metrics returns the sum over all web processes, which share their counts as files.


def child_exit(server: object, worker: Any) -> None:
    """Drop the gauges of a process that ended. Its counts stay in the sum."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: object) -> None:
    """Remove the folder of the counts."""
    shutil.rmtree(_counts, ignore_errors=True)
