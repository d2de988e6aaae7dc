"""What all drawings share: regions, the task's data, colours."""

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
    """One drawing: what it shows, and safe markup."""

    title: str
    markup: SafeString
    # Origins its images come from, for the content security policy.
    origins: frozenset[str] = frozenset()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a result is drawn on.

    Attributes:
        data: the task's data, as Label Studio sent it.
        config: the label config; None when it is unknown or cannot be read.
        hostname: Label Studio's own address, for images that name only a path.
        before: the result this one is compared with, such as the prediction's.
    """

    data: dict[str, Any]
    config: LabelConfig | None = None
    hostname: str = ""
    before: list[Any] = field(default_factory=list)

    def shown(self, to_name: str) -> Any:
        """The value of the task's data that the object tag `to_name` shows."""
        value = self._expression(to_name)
        if value is None:
            texts = [item for item in self.data.values() if isinstance(item, str)]
            return texts[0] if len(texts) == 1 else None
        whole = _NAMED.fullmatch(value)
        if whole:
            return self._look_up(whole[1])
        return _NAMED.sub(lambda name: str(self._look_up(name[1]) or ""), value)

    def labels(self, from_name: str) -> tuple[str, ...]:
        """The labels the config offers for a control."""
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
    """One entry of a result, with what every type has."""

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
        """The region, or None when `raw` is none."""
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
        """Its labels, whatever the type calls them (`rectanglelabels`, `labels`, …)."""
        found = self.value.get(self.type)
        if not isinstance(found, list):
            lists = [v for k, v in self.value.items() if k.endswith("labels")]
            found = lists[0] if lists and isinstance(lists[0], list) else []
        return [str(label) for label in found]

    def caption(self) -> str:
        """Its labels and score in a few words."""
        words = ", ".join(self.labels()) or self.from_name
        return words if self.score is None else f"{words} {self.score:.2f}"


def number(value: Any) -> float | None:
    """The value if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -1e15 < value < 1e15 else None


def numbers(value: dict[str, Any], *names: str) -> list[float] | None:
    """The named numbers, or None when one is missing."""
    found = [number(value.get(name)) for name in names]
    return None if None in found else [n for n in found if n is not None]


def hue(label: str) -> int:
    """A colour that stays with a label from page to page."""
    return zlib.crc32(label.encode("utf-8", "surrogatepass")) % HUES


def origin_of(address: str) -> str:
    """Scheme, host and port of a web address; "" when it is none or unreadable."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not host:
        return ""
    # It goes into a header: nothing but what a host name can have.
    if not re.fullmatch(r"[A-Za-z0-9.\-]+|[0-9a-fA-F:.]+", host):
        return ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")
