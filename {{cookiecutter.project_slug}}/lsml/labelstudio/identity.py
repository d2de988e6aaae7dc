"""Identifies a project. Label Studio reuses project IDs, so the ID is not enough."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lsml.labelstudio.errors import WireError
from lsml.labelstudio.reading import LARGEST_ID, as_time

_DOTTED = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,19}))?")


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """Label Studio's project ID with the Unix second of its creation, if known.

    Source: `MLApi._create_project_uid` of Label Studio 1.23.2.
    """

    labelstudio_id: int
    created_stamp: int | None = None

    def __str__(self) -> str:
        """Return the wire form: `1.1795433940`, or `1` without a stamp."""
        if self.created_stamp is None:
            return str(self.labelstudio_id)
        return f"{self.labelstudio_id}.{self.created_stamp}"

    @classmethod
    def parse(cls, value: object, *, field: str = "project") -> ProjectKey:
        """Read `"1.1795433940"`, `"1"` or `1`.

        Raises:
            WireError: any other form, including a JSON number with a dot, which loses
                trailing zeros.
        """
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        match = _DOTTED.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise WireError(field, f"`{field}` must look like '<id>.<unix seconds>'.")
        labelstudio_id, stamp = int(match[1]), int(match[2]) if match[2] else None
        if not 0 < labelstudio_id <= LARGEST_ID or (stamp or 0) > LARGEST_ID:
            raise WireError(field, f"`{field}` holds a number out of range.")
        return cls(labelstudio_id, stamp)

    @classmethod
    def from_project_object(
        cls, project: dict[str, object], *, field: str = "project"
    ) -> ProjectKey:
        """Read the full project object of webhooks and the API.

        Without a readable `created_at`, as in a deleted project, the stamp is None.

        Raises:
            WireError: no usable `id`.
        """
        identity = cls.parse(project.get("id"), field=f"{field}.id")
        stamp = unix_second(project.get("created_at"))
        return cls(identity.labelstudio_id, stamp)


def unix_second(moment: object) -> int | None:
    """Return the stamp of an ISO time: whole seconds, rounded down as by Label Studio.

    None if there is no readable time, or one before 1970.
    """
    read = as_time(moment)
    stamp = -1 if read is None else int(read.timestamp())
    return stamp if stamp >= 0 else None
