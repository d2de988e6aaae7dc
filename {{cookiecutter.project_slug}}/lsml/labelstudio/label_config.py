"""Reads a project's label config from untrusted XML."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from lsml.labelstudio.errors import WireError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

CHARS_MAX = 1_000_000  # large taxonomies reach a few hundred thousand
DEPTH_MAX = 100
_ENCODING = re.compile(r"<\?xml[^>]*\sencoding\b")
_LABEL_TAGS = frozenset({"Label", "Choice"})
# These have a `toName` but never appear in a result.
_NEVER_IN_RESULTS = frozenset({"Filter", "Shortcut", "Relations"})


@dataclass(frozen=True, slots=True)
class Control:
    """A tag that produces regions: `<Choices name="sentiment" toName="text">`."""

    name: str
    type: str  # the tag, e.g. Choices; regions have it in lower case
    to_names: tuple[str, ...]
    labels: tuple[str, ...]  # static ones as in results, in the order of the config


@dataclass(frozen=True, slots=True)
class ObjectTag:
    """A tag that shows task data: `<Text name="text" value="$text">`."""

    name: str
    type: str
    value: str  # as written; `$text` reads the key `text` of the task's data


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """What a model needs to know about a label config.

    Attributes:
        digest: SHA-256 hex that survives re-saving: white space between tags, the
            order of attributes, and comments do not change it; labels and their order
            do.
    """

    controls: tuple[Control, ...]
    objects: tuple[ObjectTag, ...]
    digest: str

    def labels(self) -> frozenset[str]:
        """Return every static label of every control."""
        return frozenset(label for control in self.controls for label in control.labels)


def parse_label_config(xml: str) -> LabelConfig:
    """Read a label config.

    Raises:
        WireError: too large or too deep, not XML, declares entities, or no control.
    """
    root = _tree(xml)
    controls, objects = _tags(root)
    if not controls:
        raise WireError(
            "label_config",
            "The label config has no control tag (one with `name` and `toName`), "
            "so there is nothing to predict.",
        )
    canonical = "".join(_canonical(root))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return LabelConfig(tuple(controls), tuple(objects), digest)


def readable_label_config(xml: str) -> LabelConfig | None:
    """Read a label config; return None if it is empty or invalid."""
    try:
        return parse_label_config(xml) if xml else None
    except WireError:
        return None


def _tree(xml: str) -> Element:
    if len(xml) > CHARS_MAX:
        raise WireError(
            "label_config", f"The label config is longer than {CHARS_MAX} characters."
        )
    xml = xml.strip()
    if _ENCODING.match(xml):  # lxml, which models use, refuses it; so does Label Studio
        raise WireError(
            "label_config", "The label config must not declare an encoding."
        )
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except DefusedXmlException:
        raise WireError(
            "label_config", "The label config must not declare a DTD or entities."
        ) from None
    except (ParseError, ValueError) as broken:
        raise WireError(
            "label_config", f"The label config is not well-formed XML: {broken}."
        ) from None
    return root


def _tags(root: Element) -> tuple[list[Control], list[ObjectTag]]:
    # Without recursion: 100 000 nested tags must not exhaust the stack.
    controls: list[Control] = []
    objects: list[ObjectTag] = []
    labels: dict[str, list[str]] = {}
    waiting: list[tuple[Element, int, str | None]] = [(root, 1, None)]
    while waiting:
        element, depth, owner = waiting.pop()
        if depth > DEPTH_MAX:
            raise WireError(
                "label_config", f"The label config nests deeper than {DEPTH_MAX} tags."
            )
        name = element.get("name")
        if _is_control(element):
            owner = str(name)
            controls.append(Control(owner, element.tag, _to_names(element), ()))
        elif name and element.get("value") and element.tag not in _LABEL_TAGS:
            objects.append(ObjectTag(name, element.tag, element.get("value", "")))
        elif owner and element.tag in _LABEL_TAGS:
            label = element.get("alias") or element.get("value")
            if label:
                labels.setdefault(owner, []).append(label)
        waiting.extend((child, depth + 1, owner) for child in reversed(element))
    return [
        Control(c.name, c.type, c.to_names, tuple(labels.get(c.name, ())))
        for c in controls
    ], objects


def _is_control(element: Element) -> bool:
    return bool(
        element.get("name")
        and element.get("toName")
        and element.tag not in _NEVER_IN_RESULTS
    )


def _to_names(element: Element) -> tuple[str, ...]:
    return tuple(
        name.strip() for name in element.get("toName", "").split(",") if name.strip()
    )


def _canonical(element: Element) -> list[str]:
    """Return tags, sorted attributes and trimmed text, unambiguously joined."""
    parts = [repr((element.tag, sorted(element.attrib.items())))]
    text = " ".join((element.text or "").split())
    parts.append(repr(text))
    for child in element:  # `_tags` has limited the depth
        parts.extend(("(", *_canonical(child), ")"))
        parts.append(repr(" ".join((child.tail or "").split())))
    return parts
