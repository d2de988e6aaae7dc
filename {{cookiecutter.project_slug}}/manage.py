#!/usr/bin/env python
"""Runs the commands of the service: `python manage.py help` lists them."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError

_SIGPIPE_STATUS = 141  # what a shell reports of a program that SIGPIPE ended


def main() -> None:
    """Run a command.

    It ends quietly if `head` or `less` has read enough of its output, and with a
    sentence if PostgreSQL does not answer.
    """
    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise Python tries to flush it once more, and prints that error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_SIGPIPE_STATUS)
    except OperationalError as error:
        # PostgreSQL gives an error that it reports itself a code.
        if "--traceback" in sys.argv or getattr(error.__cause__, "sqlstate", None):
            raise
        sys.exit(
            f"PostgreSQL does not answer: {str(error).strip()}\nStart it (`make dev`"
            " starts its own), or correct DATABASE_URL."
        )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main()
