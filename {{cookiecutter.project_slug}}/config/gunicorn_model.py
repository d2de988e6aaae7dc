"""Settings of gunicorn for a model process.

`gunicorn -c config/gunicorn_model.py config.model_process`. One worker, so that each
model is in memory once; gunicorn starts it again when it ends.
"""

import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from gunicorn.arbiter import Arbiter

from lsml.embedded.addresses import model_url
from lsml.environment import handshake, heap
from lsml.environment.reading import read_env_file
from lsml.model_process.address import (
    leads_here,
    listens,
    may_take_over,
    own_socket,
    remove_leftovers,
    socket_of,
    take_over,
)

# With these exit statuses a worker says that it cannot start, and gunicorn gives up. A
# model that ends its process with 3 or 4 must not be taken for that.
Arbiter.WORKER_BOOT_ERROR, Arbiter.APP_LOAD_ERROR = 253, 254

read_env_file()
heap.bound_heaps()
_data_dir = Path(os.environ.get("LSML_DATA_DIR", ".data")).absolute()
_socket = socket_of(os.environ.get("MODEL_URL") or model_url(_data_dir))

if _socket is not None:
    Path(_socket).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    bind = f"unix:{own_socket(_socket)}"
else:  # MODEL_URL is what others connect to; this process listens on its own port
    _host = os.environ.get("BIND_HOST", "127.0.0.1")
    bind = f"{_host}:{os.environ.get('PORT', '9091')}"
worker_class = "gthread"
workers = 1
# One per request that may wait. A thread starts when it is needed.
threads = max(64, 3 * int(os.environ.get("PREDICT_QUEUE_MAX", "64")) + 16)
# The service's code is imported before the fork, so that a new worker answers soon. The
# model's is imported after it: libraries that use a GPU do not survive a fork.
preload_app = True
# Longer than a call may take: a model may hold the interpreter's lock all the time.
timeout = int(float(os.environ.get("PREDICT_TIMEOUT_S", "90"))) + 15
graceful_timeout = int(os.environ.get("WEB_GRACE_S", "20"))
umask = 0o077  # the socket is for the user of web and workers, who is the same
keepalive = 75  # longer than the callers keep their connections
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
control_socket_disable = True
# Not 0 once a worker took over. Workers that start later see it as well: another
# container may have taken over by then.
_has_taken_over = mmap.mmap(-1, 1)


def post_worker_init(worker: Any) -> None:
    """Import model.py before the first request, and take over from another process.

    If the user's module raises an error, each request raises and reports it again.
    """
    from django.db import connections

    from lsml.inference.hosting.host import host
    from lsml.inference.serving.handover import load_what_is_loaded
    from lsml.registry.model_class import model_class

    # On the same machine, webhooks and health checks get the CPU before a model does.
    os.nice(5)
    heap.start_trimming()
    host.start_dropping()
    with suppress(Exception, SystemExit):
        model_class()
    if _socket is None or _has_taken_over[0]:
        return
    if not may_take_over(_socket):
        worker.log.info("A newer container answers: this one does not take over")
        return
    if not leads_here(_socket):  # after a restart it would ask itself
        load_what_is_loaded(sign_of_life=worker.notify)
    connections.close_all()  # this thread needs none from now on
    take_over(_socket)
    remove_leftovers(_socket)
    _has_taken_over[0] = 1


def on_starting(server: object) -> None:
    """Wait for `manage.py dev`. Refuse to take away the socket of a model process.

    Raises:
        SystemExit: One answers at this socket, on this host or in this container.
    """
    handshake.wait_for_go()
    _weigh_session()
    if _socket is not None and listens(own_socket(_socket)):
        raise SystemExit(f"A model process answers at {_socket} already: stop it.")


def _weigh_session() -> None:
    """Give the session of this process its nice value.

    Linux may share a processor among sessions first: then the nice values of processes
    count only within one (sched(7), autogroup).
    """
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(os.nice(0)))
