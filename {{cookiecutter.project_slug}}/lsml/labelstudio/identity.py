"""Who a project is. Its number is not enough: numbers come back for new projects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from lsml.labelstudio.errors import WireError

LARGEST_ID = 2**63 - 1  # Label Studio's and our own bigint columns
_DOTTED = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,19}))?")


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """Label Studio's project id with the unix second it was created in, if known.

    Source: `MLApi._create_project_uid` of Label Studio 1.23.2.
    """

    labelstudio_id: int
    created_stamp: int | None = None

    def __str__(self) -> str:
        """The wire form: `1.1795433940`, or `1` without a stamp."""
        if self.created_stamp is None:
            return str(self.labelstudio_id)
        return f"{self.labelstudio_id}.{self.created_stamp}"

    @classmethod
    def parse(cls, value: object, *, field: str = "project") -> ProjectKey:
        """Read `"1.1795433940"`, `"1"` or `1`.

        Raises:
            WireError: any other form; a JSON number with a dot has lost its zeros.
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
        """Read the long project object that webhooks and the API carry.

        An unreadable `created_at` only costs the stamp; a deleted project has none.

        Raises:
            WireError: no usable `id`.
        """
        identity = cls.parse(project.get("id"), field=f"{field}.id")
        stamp = unix_second(project.get("created_at"))
        return cls(identity.labelstudio_id, stamp)


def unix_second(moment: object) -> int | None:
    """The stamp of an ISO time as Label Studio cuts it: whole seconds, rounded down."""
    if not isinstance(moment, str):
        return None
    try:
        read = datetime.fromisoformat(moment)
    except ValueError:
        return None
    if read.tzinfo is None:
        read = read.replace(tzinfo=UTC)
    try:
        stamp = int(read.timestamp())
    except OverflowError:
        return None
    return stamp if stamp >= 0 else None
