"""The model processes: what they are called, and where they answer."""

from dataclasses import dataclass
from typing import Final

from django.conf import settings


@dataclass(frozen=True, slots=True)
class ModelProcess:
    """A model process, as others reach it."""

    name: str
    setting: str  # of its address
    without: str  # what happens while it does not answer

    @property
    def url(self) -> str:
        """Its address; "" = there is none."""
        return str(getattr(settings, self.setting))


SERVING: Final = ModelProcess(
    "model process", "MODEL_URL", "predictions get status 503 or 504"
)
# For what nobody waits for. Without one, `SERVING` does it, too.
BACKGROUND: Final = ModelProcess(
    "background model process",
    "BACKGROUND_MODEL_URL",
    "evaluations and versions in shadow wait",
)


def model_processes() -> list[ModelProcess]:
    """Return those that should answer; none if web has the models."""
    if settings.MODEL_PLACEMENT != "process":
        return []
    return [SERVING, BACKGROUND] if BACKGROUND.url else [SERVING]
