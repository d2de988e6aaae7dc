"""Reads a file of tasks, as Label Studio imports and exports them."""

from __future__ import annotations

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.reading import JsonObject, as_id, decode


def read_tasks(content: bytes) -> list[JsonObject]:
    """Return the tasks of a JSON file, each with an `id` and its `data`.

    Label Studio also imports bare data, without `data` around it. Tasks without an ID
    are numbered from 1.

    Raises:
        WireError: not JSON, or something other than tasks.
    """
    sent = decode(content)
    items = sent if isinstance(sent, list) else [sent]
    return [_task(item, number) for number, item in enumerate(items, start=1)]


def _task(item: object, number: int) -> JsonObject:
    if not isinstance(item, dict):
        raise WireError(f"[{number - 1}]", f"Task {number} is not a JSON object.")
    data = item.get("data")
    if isinstance(data, dict):
        return {"id": as_id(item.get("id")) or number, "data": data}
    return {"id": number, "data": item}
