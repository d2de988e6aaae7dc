"""What a command line says about its process."""

from pathlib import Path


def process_of(arguments: list[str]) -> str:
    """Return the kind of process: worker, beat, dev or command.

    Web and the model process name themselves, in the modules that gunicorn imports.
    """
    program, *words = arguments
    if words[:1] == ["dev"]:
        return "dev"
    # `celery` and `python -m celery`, with options before the word
    if "celery" in Path(program).parts[-2:]:
        return next((word for word in words if word in {"worker", "beat"}), "command")
    return "command"
