"""`init_app`, which the reference's `_wsgi.py` calls. Here it names the replacement."""

from __future__ import annotations

from typing import Any, NoReturn

from .model import LabelStudioMLBase

TRAIN_EVENTS = LabelStudioMLBase.TRAIN_EVENTS


class ServedByTheProject(RuntimeError):
    """`init_app` was called, although the project serves the model."""

    def __init__(self, model_class: type[LabelStudioMLBase]) -> None:
        self.model_class = model_class
        super().__init__(
            f"{model_class.__name__} needs no _wsgi.py here: the project serves it. "
            "Put the class into model.py in the project's top folder (or name it in "
            "MODEL_CLASS), then run `make dev`, or `gunicorn config.wsgi` in "
            "production. BASIC_AUTH_USER, BASIC_AUTH_PASS and PORT work as before."
        )


def init_app(
    model_class: type[LabelStudioMLBase],
    basic_auth_user: str | None = None,
    basic_auth_pass: str | None = None,
    **_: Any,
) -> NoReturn:
    """Explain how the model is served here. The arguments are those of the reference.

    Raises:
        ServedByTheProject: Always, for a model class.
        ValueError: The argument is not a model class.
    """
    if not issubclass(model_class, LabelStudioMLBase):
        raise ValueError("Inference class should be a subclass of LabelStudioMLBase")  # noqa: TRY004 - as the reference
    raise ServedByTheProject(model_class)
