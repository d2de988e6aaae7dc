"""The process of one training: `python -m lsml.training.process`.

A worker starts it and does not fork, because CUDA does not survive a fork. It loads
Django and the model's code, waits for its order on standard input, trains, stores the
artifact, and reports on the descriptor LSML_REPORT_FD. Its output becomes the run's
log. Only the worker writes how the run ended.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Carry out one order, and exit without running exit handlers."""
    _die_with_the_worker()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker handles Ctrl-C
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from lsml.observability import sentry, tracing
    from lsml.training.process.trainer import Trainer

    Trainer(int(os.environ["LSML_REPORT_FD"])).work()
    sys.stdout.flush()
    sys.stderr.flush()
    tracing.flush()
    sentry.flush()
    # Threads and exit handlers of the user's libraries must not keep the process alive
    # or turn a successful training into a crash.
    os._exit(0)


def _die_with_the_worker() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ["LSML_WORKER_PID"]):
        os._exit(1)  # the worker ended before the line above


if __name__ == "__main__":
    main()
