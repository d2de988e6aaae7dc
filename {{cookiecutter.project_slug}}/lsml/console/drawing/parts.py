"""What all drawings share: regions, the data of the task, colours."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from django.utils.safestring import SafeString

from lsml.labelstudio.label_config import LabelConfig

HUES: Final = 10  # classes c-hue-0 to c-hue-9 in console.css
_NAMED = re.compile(r"\$([\w.]+)")


@dataclass(frozen=True, slots=True)
class Picture:
    """One drawing: a title and safe markup."""

    title: str
    markup: SafeString
    # Origins of its images, for the content security policy.
    origins: frozenset[str] = frozenset()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a result is drawn on.

    Attributes:
        data: The task's data, as Label Studio sent it.
        config: The label config; None if it is unknown or invalid.
        hostname: Address of Label Studio, for images given as a path.
        before: The result to compare with, such as the prediction.
    """

    data: dict[str, Any]
    config: LabelConfig | None = None
    hostname: str = ""
    before: list[Any] = field(default_factory=list)

    def shown(self, to_name: str) -> Any:
        """Return the value of the task's data that the object tag `to_name` shows."""
        value = self._expression(to_name)
        if value is None:
            texts = [item for item in self.data.values() if isinstance(item, str)]
            return texts[0] if len(texts) == 1 else None
        whole = _NAMED.fullmatch(value)
        if whole:
            return self._look_up(whole[1])
        return _NAMED.sub(lambda name: str(self._look_up(name[1]) or ""), value)

    def labels(self, from_name: str) -> tuple[str, ...]:
        """Return the labels that the config offers for a control."""
        controls = self.config.controls if self.config else ()
        return next((c.labels for c in controls if c.name == from_name), ())

    def _expression(self, to_name: str) -> str | None:
        objects = self.config.objects if self.config else ()
        return next((tag.value for tag in objects if tag.name == to_name), None)

    def _look_up(self, path: str) -> Any:
        value: Any = self.data
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value


@dataclass(frozen=True, slots=True)
class Region:
    """One region of a result, with the fields that all types share."""

    id: str
    type: str
    from_name: str
    to_name: str
    value: dict[str, Any]
    score: float | None
    width: float | None  # of the original image, pixels
    height: float | None
    raw: Any

    @classmethod
    def read(cls, raw: Any) -> Region | None:
        """Read a region; return None if `raw` has another shape."""
        if not isinstance(raw, dict) or not isinstance(raw.get("value"), dict):
            return None
        return cls(
            id=str(raw.get("id", "")),
            type=str(raw.get("type", "")),
            from_name=str(raw.get("from_name", "")),
            to_name=str(raw.get("to_name", "")),
            value=raw["value"],
            score=number(raw.get("score")),
            width=number(raw.get("original_width")),
            height=number(raw.get("original_height")),
            raw=raw,
        )

    def labels(self) -> list[str]:
        """Return the labels: under the key of its type, or another key "…labels"."""
        found = self.value.get(self.type)
        if not isinstance(found, list):
            lists = [v for k, v in self.value.items() if k.endswith("labels")]
            found = lists[0] if lists and isinstance(lists[0], list) else []
        return [str(label) for label in found]

    def caption(self) -> str:
        """Write labels and score, for a caption."""
        words = ", ".join(self.labels()) or self.from_name
        return words if self.score is None else f"{words} {self.score:.2f}"


def number(value: Any) -> float | None:
    """Return the value if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -1e15 < value < 1e15 else None


def numbers(value: dict[str, Any], *names: str) -> list[float] | None:
    """Return the named numbers, or None if one is missing."""
    found = [number(value.get(name)) for name in names]
    return None if None in found else [n for n in found if n is not None]


def hue(label: str) -> int:
    """Return the colour of a label, the same on every page."""
    return zlib.crc32(label.encode("utf-8", "surrogatepass")) % HUES


def origin_of(address: str) -> str:
    """Return scheme, host and port of a web address; "" for anything else."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not host:
        return ""
    # It goes into a header, so only characters of a host name are allowed.
    if not re.fullmatch(r"[A-Za-z0-9.\-]+|[0-9a-fA-F:.]+", host):
        return ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")
