"""Prepares a new model process to take over from the one that it replaces."""

from collections.abc import Callable

import structlog

from lsml.inference.hosting.host import host
from lsml.inference.serving import messages
from lsml.inference.status import LoadedModel
from lsml.model_process import client
from lsml.model_process.errors import ModelProcessUnavailable, NoAnswerInTime
from lsml.observability.origin import Origin
from lsml.registry.models import Project
from lsml.registry.served import Served

log = structlog.get_logger(__name__)

_STATUS_S = 5.0


def load_what_is_loaded(*, sign_of_life: Callable[[], object]) -> None:
    """Load the models that the process at MODEL_URL has in memory, if one answers.

    Then no prediction waits for a model when this process takes over. A model that
    cannot be loaded is left to the first request for it.

    Args:
        sign_of_life: Called between two models, because loading may take long.
    """
    for model in reversed(_loaded_elsewhere()):  # the last used one last: it stays
        sign_of_life()
        try:
            project = Project.objects.get(pk=model.project_pk)
            serving = Served(project.pk, model.version, project.label_config)
            host.load(serving, Origin.from_command("model process"))
        except Exception:
            log.exception("model not loaded before taking over", version=model.version)


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
