"""Helpers for models: parsed label configs, tasks, images, label names."""

from __future__ import annotations

import difflib
import re
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

if TYPE_CHECKING:
    from collections.abc import Mapping

# Key in the data of tasks that were imported as plain text.
DATA_UNDEFINED_NAME = "$undefined$"

_CLOUD_SCHEMES = ("s3:", "gs:", "azure-blob:")
_WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def get_single_tag_keys(
    parsed_label_config: Mapping[str, Any], control_type: str, object_type: str
) -> tuple[str, str, str, list[str]]:
    """Return (from_name, to_name, value, labels) of a config with one tag pair.

    Raises:
        AssertionError: The config has other tags, or more of them.
    """
    _expect(
        len(parsed_label_config) == 1,
        f"one control tag, got {len(parsed_label_config)}",
    )
    ((from_name, info),) = parsed_label_config.items()
    _expect(info["type"] == control_type, f"<{control_type}>, got <{info['type']}>")
    _expect(len(info["to_name"]) == 1, "one toName on the control tag")
    _expect(len(info["inputs"]) == 1, "one object tag")
    (source,) = info["inputs"]
    _expect(source["type"] == object_type, f"<{object_type}>, got <{source['type']}>")
    return from_name, info["to_name"][0], source["value"], info["labels"]


def get_first_tag_keys(
    parsed_label_config: Mapping[str, Any], control_type: str, object_type: str
) -> tuple[str, dict[str, Any]] | tuple[None, None]:
    """Return name and info of the first such control tag, or two Nones."""
    for from_name, info in parsed_label_config.items():
        on = [source["type"] for source in info["inputs"]]
        if info["type"] == control_type and object_type in on:
            return from_name, info
    return None, None


def is_skipped(completion: Mapping[str, Any]) -> bool:
    """Return whether a task has exactly one annotation and it was skipped."""
    if len(completion["annotations"]) != 1:
        return False
    (annotation,) = completion["annotations"]
    return bool(annotation.get("skipped") or annotation.get("was_cancelled"))


def get_choice(completion: Mapping[str, Any]) -> str:
    """Return the first choice of the first annotation of a task."""
    choice: str = completion["annotations"][0]["result"][0]["value"]["choices"][0]
    return choice


def get_image_size(filepath: str | Path) -> tuple[int, int]:
    """Return (width, height) of an image in pixels, with EXIF rotation applied."""
    from PIL import Image, ImageOps  # here, as not every model handles images

    with Image.open(filepath) as image:
        size: tuple[int, int] = ImageOps.exif_transpose(image).size
    return size


def get_image_local_path(
    url: str,
    image_cache_dir: str | None = None,
    project_dir: str | None = None,
    image_dir: str | None = None,
) -> str:
    """Return the local path of an image. Older name of `get_local_path`."""
    from .files import get_local_path

    return get_local_path(
        url, cache_dir=image_cache_dir, project_dir=project_dir, image_dir=image_dir
    )


class InMemoryLRUDictCache:
    """A dict of at most `capacity` items that drops the least recently used one."""

    def __init__(self, capacity: int = 1) -> None:
        self.cache: OrderedDict[Any, Any] = OrderedDict()
        self.capacity = capacity

    def __contains__(self, item: object) -> bool:
        return item in self.cache

    def get(self, key: Any) -> Any:
        """Return the value, or None if there is none, and mark it as used."""
        if key not in self.cache:
            return None
        self.cache.move_to_end(key)
        return self.cache[key]

    def put(self, key: Any, value: Any) -> None:
        """Store a value, and drop the least recently used one if there is no room."""
        if key in self.cache:
            self.cache.move_to_end(key)
        elif len(self.cache) >= self.capacity:
            self.cache.popitem(last=False)
        self.cache[key] = value

    def __str__(self) -> str:
        return str(self.cache)


def match_labels(input: str, labels: list[str]) -> list[str]:
    """Return the most similar label for each line of a text (an LLM's answer)."""
    return [
        max(
            labels, key=lambda label: difflib.SequenceMatcher(None, line, label).ratio()
        )
        for line in input.splitlines()
    ]


def is_valid_url(path: str) -> bool:
    """Return whether the text has a scheme and a host."""
    try:
        url = urlparse(path)
    except ValueError:
        return False
    return bool(url.scheme and url.netloc)


def is_preload_needed(url: str) -> bool:
    """Return whether a value of a task's data names a file.

    A file on this machine must be named by its absolute path. Otherwise a text that
    equals a name in the working folder, such as "docs", would be taken for a file.
    """
    url = with_data_prefix(url)
    return (
        url.startswith(("/data/upload", *_CLOUD_SCHEMES))
        or is_local_files(url)
        or is_valid_url(url)
        or _is_existing_file(url)
    )


def with_data_prefix(url: str) -> str:
    """Return an upload's path with the prefix /data/, and any other URL unchanged."""
    if url.startswith(("upload", "/upload")):
        return "/data/" + url.lstrip("/")
    return url


def is_local_files(url: str) -> bool:
    """Return whether it is a path of Label Studio's local files storage."""
    return url.startswith("/data/") and "?d=" in url


def compare_nested_structures(
    a: Any,
    b: Any,
    path: str = "",
    rel: float | None = 1e-4,
    abs: float | None = None,
) -> None:
    """Assert that two JSON values are equal, floats approximately. Needs pytest.

    Args:
        a: One value.
        b: The other.
        path: Position in the compared structure, for the message.
        rel: Relative tolerance of floats.
        abs: Absolute tolerance of floats.

    Raises:
        AssertionError: They differ; the message says where.
    """
    from pytest import approx  # noqa: PT013 - pytest is not installed in production

    if isinstance(a, dict) and isinstance(b, dict):
        _expect(a.keys() == b.keys(), f"the same keys at {path or 'the top'}")
        for key, item in a.items():
            compare_nested_structures(item, b[key], f"{path}.{key}", rel, abs)
    elif isinstance(a, list) and isinstance(b, list):
        _expect(len(a) == len(b), f"lists of the same size at {path or 'the top'}")
        for at, (left, right) in enumerate(zip(a, b, strict=True)):
            compare_nested_structures(left, right, f"{path}[{at}]", rel, abs)
    elif isinstance(a, float) and isinstance(b, float):
        _expect(a == approx(b, rel=rel, abs=abs), f"{a} and {b} to be close at {path}")
    else:
        _expect(a == b, f"{a!r} and {b!r} to be equal at {path}")


def _is_existing_file(path: str) -> bool:
    import os.path  # not pathlib: tests of models patch os.path.exists

    is_absolute = path.startswith("/") or _WINDOWS_DRIVE.match(path) is not None
    return is_absolute and "\0" not in path and os.path.exists(path)  # noqa: PTH110


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(f"expected {what}")
