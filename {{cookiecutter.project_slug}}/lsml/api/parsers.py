"""Request bodies: JSON that can be stored and written again, or a clear refusal."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from lsml.labelstudio.reading import decode


class StorableJsonParser(BaseParser):
    """JSON without what would only fail later: NUL characters, endless nesting."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:  # DRF's stubs expect an object; a list is refused by its reader
        """The decoded body; WireError (400) where it is none."""
        return decode(stream.read())
