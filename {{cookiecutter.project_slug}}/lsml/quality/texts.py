"""Finds the texts in the tasks' data, and reads their beginnings."""

from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db.models import Expression, F, Func, TextField, Value
from django.db.models.functions import Left

from lsml.labelstudio.label_config import readable_label_config

TEXT_CHARS_MAX: Final = 1_000  # of each tag
_TEXTS_OF_A_TASK_MAX: Final = 20  # tags

_TEXT_TAGS: Final = {"Text", "HyperText", "Paragraphs", "Chat"}


def text_keys(label_config: str) -> list[str]:
    """Return the paths in the tasks' data that the label config shows as text."""
    config = readable_label_config(label_config)
    keys = [
        tag.value.removeprefix("$")
        for tag in (config.objects if config else ())
        if tag.type in _TEXT_TAGS and tag.value.startswith("$")
    ]
    return keys[:_TEXTS_OF_A_TASK_MAX]


def text_at(column: str, path: str) -> Expression:
    """Return the text at a path of the task's data, for a query."""
    keys = Value(path.split("."), output_field=ArrayField(TextField()))
    return Func(
        F(column),
        keys,
        arg_joiner=" #>> ",
        template="(%(expressions)s)",
        output_field=TextField(),
    )


def beginning(text: Expression) -> Expression:
    """Return the first characters of a text, for a query."""
    return Left(text, TEXT_CHARS_MAX, output_field=TextField())


def is_address(text: str) -> bool:
    """Return whether the task has the address of a text instead of the text."""
    return text.startswith(("http://", "https://", "s3://", "gs://", "azure-blob://"))
