"""Prepares a new model process to take over from the one that it replaces."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from lsml.inference.hosting.host import host
from lsml.inference.hosting.watch import LOAD_TIMEOUT_S
from lsml.inference.serving import messages
from lsml.inference.status import LoadedModel
from lsml.model_process import client
from lsml.model_process.errors import ModelProcessUnavailable, NoAnswerInTime
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.registry.served import Served

log = structlog.get_logger(__name__)

_STATUS_S = 5.0
_SIGN_EVERY_S = 5.0


def load_what_is_loaded(*, sign_of_life: Callable[[], object]) -> None:
    """Load the models that the process at MODEL_URL has in memory, if one answers.

    Then no prediction waits for a model when this process takes over. A model that
    cannot be loaded is left to the first request for it.

    Args:
        sign_of_life: Called every few seconds by another thread, because loading may
            take longer than gunicorn's time-out.
    """
    for model in reversed(_loaded_elsewhere()):  # the last used one last: it stays
        try:
            project = Project.objects.get(pk=model.project_pk)
            serving = Served(project.pk, model.version, project.label_config)
            with _alive(sign_of_life):
                host.load(serving, Origin.from_command("model process"))
        except Exception:
            log.exception("model not loaded before taking over", version=model.version)


@contextmanager
def _alive(sign_of_life: Callable[[], object]) -> Iterator[None]:
    """Give signs of life as long as loading one model may take."""
    done = threading.Event()

    def work() -> None:
        until = time.monotonic() + LOAD_TIMEOUT_S
        while time.monotonic() < until:
            sign_of_life()
            if done.wait(_SIGN_EVERY_S):
                return

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _loaded_elsewhere() -> list[LoadedModel]:
    try:
        answer = client.call("GET", "/status", timeout_s=_STATUS_S)
        messages.raise_error(answer)
        return messages.read_status(answer).models
    except (ModelProcessUnavailable, NoAnswerInTime):
        return []  # there is none to take over from
    except Exception:  # its version may describe them in another way
        log.exception("models of the process before are not known")
        return []
