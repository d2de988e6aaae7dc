"""Reads label configs without label-studio-sdk's interface, which imports slowly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

TagTypes = str | tuple[str, ...]
NameFilter = Callable[[str], bool]

# label-studio-sdk adds a second tag for each of these, so it must handle them itself.
_TWO_TAGS_IN_ONE = {"chat", "reactcode"}


@dataclass(frozen=True, slots=True)
class _Tag:
    type: str  # lower case
    name: str
    to_names: tuple[str, ...]  # control tags only
    value: str  # object tags only, such as "$text"


def first_tag_pair(
    label_config: str,
    *,
    control_type: TagTypes,
    object_type: TagTypes,
    name_filter: NameFilter | None,
    to_name_filter: NameFilter | None,
) -> tuple[str, str, str] | None:
    """Return what `LabelInterface.get_first_tag_occurence` does, or None if unsure.

    No match also gives None, so that label-studio-sdk raises its own error.
    """
    controls, objects = _tags(label_config)
    everything = [*controls.values(), *objects.values()]
    if any(tag.type in _TWO_TAGS_IN_ONE for tag in everything):
        return None
    for control in controls.values():
        if not _fits(control, control_type, name_filter):
            continue
        for source in (objects.get(name) for name in control.to_names):
            if source and _fits(source, object_type, to_name_filter):
                return control.name, source.name, source.value[1:]
    return None


def _tags(label_config: str) -> tuple[dict[str, _Tag], dict[str, _Tag]]:
    controls: dict[str, _Tag] = {}
    objects: dict[str, _Tag] = {}
    for element in etree.fromstring(label_config).iter(etree.Element):
        found = element.attrib
        name, to_name = found.get("name"), found.get("toName")
        value = found.get("valueList", found.get("value")) or found.get("value")
        kind = element.tag.lower()
        if name and to_name and element.tag != "Filter":
            controls[name] = _Tag(kind, name, tuple(to_name.split(",")), "")
        elif name and (value or kind in _TWO_TAGS_IN_ONE):
            objects[name] = _Tag(kind, name, (), value or "")
    return controls, objects


def _fits(tag: _Tag, types: TagTypes, name_filter: NameFilter | None) -> bool:
    wanted = (types,) if isinstance(types, str) else types
    if tag.type not in {each.lower() for each in wanted}:
        return False
    return name_filter is None or bool(name_filter(tag.name.lower()))
