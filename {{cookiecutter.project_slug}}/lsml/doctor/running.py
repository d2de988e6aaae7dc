"""Runs the checks one after the other, each in a thread that may be left behind."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from queue import Empty, SimpleQueue

from django.db import connections

from lsml.doctor.findings import Check, Finding, Level, problem, warning
from lsml.labelstudio.secrets import error_text, masked_text


def examine(
    database: Check, others: Iterable[Check]
) -> Iterator[tuple[Check, Finding]]:
    """Yield what the checks find, each as soon as it is known.

    Args:
        database: Whether PostgreSQL answers. It runs first; if it finds a problem, the
            checks that need PostgreSQL are not run, and say so.
        others: In the order of the report.
    """
    answers = True
    for check in (database, *others):
        if check.needs_database and not answers:
            yield check, _not_run(check)
            continue
        for finding in run(check):
            yield check, finding
            if check is database and finding.level is Level.PROBLEM:
                answers = False


def run(check: Check) -> list[Finding]:
    """Return what a check finds, with secrets masked. Takes its time-out at most."""
    results: SimpleQueue[list[Finding]] = SimpleQueue()
    # A daemon, so that the command ends even if this one hangs.
    threading.Thread(target=_work, args=[check, results], daemon=True).start()
    try:
        found = results.get(timeout=check.timeout_s)
    except Empty:
        text = f"no answer within {check.timeout_s:g} s"
        found = [problem(check.item, text, check.next_step)]
    return [replace(each, text=masked_text(each.text)) for each in found]


def _work(check: Check, results: SimpleQueue[list[Finding]]) -> None:
    try:
        found = list(check.examine())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it must not stop others
        text = " ".join(error_text(error).split())
        found = [problem(check.item, text, check.next_step)]
    finally:
        connections.close_all()
    results.put(found)


def _not_run(check: Check) -> Finding:
    return warning(
        check.item,
        "not examined: PostgreSQL does not answer",
        "Run `manage.py doctor` again when it does.",
    )
