"""The part of `LabelStudioMLBase` that handles the label config."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from label_studio_sdk._extensions.label_studio_tools.core.label_config import (
    parse_config,
)

from .label_config import NameFilter, TagTypes, first_tag_pair
from .lazy import on_demand
from .state import Stateful

if TYPE_CHECKING:
    from collections.abc import Iterable


class Configured(Stateful):
    """Keeps a label config in the state and offers it as XML, dict and interface."""

    # This instance's config. Another instance may have changed the shared state.
    _own_label_config: str | None = None
    _label_interface: Any = None

    def use_label_config(self, label_config: str) -> None:
        """Use this label config from now on.

        Raises:
            Exception: label-studio-sdk cannot parse the config.
        """
        if self.get("label_config") != label_config:
            parsed = json.dumps(parse_config(label_config))
            self.set("label_config", label_config)
            self.set("parsed_label_config", parsed)
        self._own_label_config = label_config
        self._label_interface = None

    @property
    def label_config(self) -> str | None:
        """The labelling configuration (XML)."""
        return self.get("label_config")

    @property
    def parsed_label_config(self) -> dict[str, Any]:
        """The label config as a dict: control tag name to type, inputs and labels."""
        parsed: dict[str, Any] = json.loads(self.get("parsed_label_config") or "{}")
        return parsed

    @property
    def label_interface(self) -> Any:
        """The label config as label-studio-sdk's `LabelInterface`."""
        if self._label_interface is None:
            if self._own_label_config is None:
                raise AttributeError(
                    "label_interface needs a label config: pass label_config to the "
                    "model or call use_label_config()"
                )
            self._label_interface = on_demand().LabelInterface(
                config=self._own_label_config
            )
        return self._label_interface

    @label_interface.setter
    def label_interface(self, label_interface: Any) -> None:
        self._label_interface = label_interface

    def get_first_tag_occurence(
        self,
        control_type: TagTypes,
        object_type: TagTypes,
        name_filter: NameFilter | None = None,
        to_name_filter: NameFilter | None = None,
    ) -> tuple[str, str, str]:
        """Return (from_name, to_name, value) of the first matching pair of tags.

        Args:
            control_type: One or several control tags, such as "Choices".
            object_type: One or several object tags, such as "Text".
            name_filter: Takes a control tag's name, returns whether it may match.
            to_name_filter: Takes an object tag's name, returns whether it may match.

        Raises:
            ValueError: No pair of tags matches.
        """
        wanted: dict[str, Any] = {
            "control_type": control_type,
            "object_type": object_type,
            "name_filter": name_filter,
            "to_name_filter": to_name_filter,
        }
        if self._label_interface is None and self._own_label_config:
            quick = first_tag_pair(self._own_label_config, **wanted)
            if quick:
                return quick
        found: tuple[str, str, str] = self.label_interface.get_first_tag_occurence(
            **wanted
        )
        return found

    def build_label_map(self, tag_name: str, names: Iterable[str]) -> dict[str, str]:
        """Map the model's label names to the project's.

        A label of the config matches the names in its `predicted_values` (separated by
        commas) that the model predicts. Without any, it matches its own name, or else
        its own name in lower case.

        Args:
            tag_name: Name of the control tag that contains the labels.
            names: Label names that the model predicts.
        """
        known = list(names)
        known_in_lower_case = {name.lower() for name in known}
        label_map: dict[str, str] = {}
        labels = self.label_interface.get_control(tag_name).labels_attrs or {}
        for label, tag in labels.items():
            given = tag.attr.get("predicted_values", "").split(",")
            predicted = [name for name in map(str.strip, given) if name in known]
            if predicted:
                label_map.update(dict.fromkeys(predicted, label))
            elif label in known:
                label_map[label] = label
            elif label.lower() in known_in_lower_case:
                label_map[label.lower()] = label
        return label_map
