"""Parses request bodies, and refuses JSON that PostgreSQL could not store."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from lsml.labelstudio.reading import decode


class StorableJsonParser(BaseParser):
    """Parses JSON without NUL characters and with limited nesting.

    Both would fail only later, when the value is stored or written.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:  # DRF's stubs expect an object; each request's parse() refuses a list
        """Return the decoded body.

        Raises:
            WireError: it is not JSON (400).
        """
        return decode(stream.read())
