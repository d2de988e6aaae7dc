"""The JSON columns: numbers are read as a request's parser reads them."""

import json
from typing import Any

import orjson
from django.db import models


class JsonField(models.JSONField):
    """Django's, but what it reads can be written as JSON again.

    PostgreSQL keeps the float 1e20 as 100000000000000000000. Django would read an
    integer of more than 64 bits, which orjson refuses to write.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"decoder": _Decoder, **options})

    def deconstruct(self) -> Any:
        """Describe the field to migrations: the column is the same as Django's."""
        name, _, arguments, options = super().deconstruct()
        del options["decoder"]
        return name, "django.db.models.JSONField", arguments, options


class _Decoder(json.JSONDecoder):
    def decode(self, s: str, *args: Any, **options: Any) -> Any:
        """Return the value; integers beyond 64 bits are floats."""
        try:
            return orjson.loads(s)
        except orjson.JSONDecodeError:  # beyond a float; only Label Studio's API has it
            return super().decode(s, *args, **options)
