"""What web and the model process send each other, as JSON."""

from dataclasses import asdict
from typing import Any

from django.db import InterfaceError, OperationalError

from label_studio_ml.task_cache import TaskCacheFigures
from lsml.audit.models import Prediction
from lsml.inference.answers import TaskPrediction
from lsml.inference.calls import Answer, Call
from lsml.inference.errors import (
    ModelBusy,
    ModelError,
    ModelNotLoadable,
    StillLoading,
)
from lsml.inference.status import LoadedModel, ProcessStatus
from lsml.observability.origin import Origin
from lsml.registry.errors import StorageUnavailable
from lsml.registry.served import Served

Message = dict[str, Any]

UNEXPECTED = "unexpected"  # an error that only a mistake in this service can cause


def call_message(serving: Served, call: Call) -> Message:
    """Describe a call."""
    return {
        **load_message(serving, call.origin),
        "kind": call.kind.value,
        "tasks": call.tasks,
        "context": call.context,
        "params": call.params,
    }


def read_call(message: Message) -> tuple[Served, Call]:
    """Return what `call_message` described."""
    serving, origin = read_load(message)
    return serving, Call(
        tasks=message["tasks"],
        kind=Prediction.Kind(message["kind"]),
        origin=origin,
        context=message["context"],
        params=message["params"],
    )


def load_message(serving: Served, origin: Origin) -> Message:
    """Describe a version, and who asks for it."""
    return {"serving": asdict(serving), "origin": asdict(origin)}


def read_load(message: Message) -> tuple[Served, Origin]:
    """Return what `load_message` described."""
    return Served(**message["serving"]), Origin(**message["origin"])


def embed_message(
    serving: Served, tasks: list[dict[str, Any]], origin: Origin, wait_s: float
) -> Message:
    """Describe tasks to embed."""
    return {**load_message(serving, origin), "tasks": tasks, "wait_s": wait_s}


def answer_message(answer: Answer) -> Message:
    """Describe an answer. orjson writes the predictions, which are dataclasses."""
    return {
        "by_task": answer.by_task,
        "seconds": answer.seconds,
        "version": answer.version,
    }


def read_answer(message: Message) -> Answer:
    """Return what `answer_message` described."""
    by_task = [
        [TaskPrediction(**prediction) for prediction in predictions]
        for predictions in message["by_task"]
    ]
    return Answer(by_task, message["seconds"], message["version"])


def read_status(message: Message) -> ProcessStatus:
    """Return the status of the process that sent it."""
    return ProcessStatus(
        pid=message["pid"],
        megabytes=message["megabytes"],
        gpu_megabytes=message["gpu_megabytes"],
        task_cache=TaskCacheFigures(**message["task_cache"]),
        models=[LoadedModel(**model) for model in message["models"]],
    )


def error_message(error: Exception) -> Message:
    """Describe an error, for `raise_error`."""
    about: dict[str, Any] = {}
    match error:
        case ModelBusy():
            code, about = "busy", {"retry_after_s": error.retry_after_s}
        case StillLoading():
            code = "still_loading"
            about = {"version": error.version, "waited_s": error.waited_s}
        case ModelNotLoadable():
            code = "not_loadable"
        case ModelError():
            code = "model_error"
        case StorageUnavailable():
            code = "storage_away"
        case OperationalError() | InterfaceError():
            code = "database_away"
        case _:
            code = UNEXPECTED
    # A text of the user's code may have lone surrogates, which JSON does not allow.
    text = str(error).encode(errors="replace").decode()
    return {"error": code, "text": text, **about}


def raise_error(message: Message) -> None:
    """Raise the error that a message describes, if it describes one.

    Raises:
        ModelBusy, ModelError, StorageUnavailable, OperationalError: As in the model
            process.
        RuntimeError: The model process failed; its log says why.
    """
    match message:
        case {"error": "busy", "text": text, "retry_after_s": retry_after_s}:
            raise ModelBusy(text, retry_after_s=retry_after_s)
        case {"error": "still_loading", "version": version, "waited_s": waited_s}:
            raise StillLoading(version, waited_s=waited_s)
        case {"error": "not_loadable", "text": text}:
            raise ModelNotLoadable(text)
        case {"error": "model_error", "text": text}:
            raise ModelError(text)
        case {"error": "storage_away", "text": text}:
            raise StorageUnavailable(text)
        case {"error": "database_away", "text": text}:
            raise OperationalError(text)
        case {"error": _}:
            raise RuntimeError("The model process failed; see its log.")
