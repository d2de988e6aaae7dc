"""Parses request bodies, and refuses JSON that PostgreSQL could not store."""

from collections.abc import Mapping
from typing import IO, Any

from django.http import HttpRequest
from rest_framework.parsers import BaseParser

from lsml.labelstudio.reading import decode


class StorableJsonParser(BaseParser):
    """Parses JSON without NUL characters, with limited size and nesting.

    Each would fail only later, when the value is stored or written.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any] | HttpRequest,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:  # DRF's stubs expect an object; each request's parse() refuses a list
        """Return the decoded body.

        Raises:
            RequestDataTooBig: above MAX_REQUEST_MB (413).
            WireError: it is not JSON (400), or has too many values (413).
        """
        # `read` would not check the size; `body` of Django's request does.
        return decode(stream.body if isinstance(stream, HttpRequest) else stream.read())
