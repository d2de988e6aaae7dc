"""Seals finished rows, without making a writer wait: docs/adr/0004-seals.md.

PostgreSQL decides what is sealed, and computes the seals: lsml/audit/seal_functions.py.
"""

from itertools import groupby
from operator import attrgetter

import structlog
from django.conf import settings
from django.db import connection, transaction
from psycopg.errors import Diagnostic

from lsml.audit import anchors, rollups
from lsml.audit.models import Seal
from lsml.audit.windows import batches, closes, joined

log = structlog.get_logger(__name__)


def seal() -> list[Seal]:
    """Seal the rows finished since the last call, and add them to the hourly counts.

    Returns:
        The seals made, in the order of the chain; none while another sealer runs.
    """
    with transaction.atomic():
        made = _make_seals()
        for table, seals in groupby(made, attrgetter("table")):
            for batch in batches(seals):
                rollups.count(table, joined(batch).condition)
    if made:
        _remember_seals()
        anchors.publish(made[-1])
    return made


def _make_seals() -> list[Seal]:
    with connection.cursor() as cursor:
        connection.connection.add_notice_handler(_log_unsealed)
        try:
            cursor.execute(
                "SELECT audit_make_seals(%s)", [settings.AUDIT_SEAL_ROWS_MAX]
            )
        finally:
            connection.connection.remove_notice_handler(_log_unsealed)
        numbers = [number for (number,) in cursor]
    seals = Seal.objects.filter(number__in=numbers).defer("locator")
    made = list(seals.order_by("number"))
    for one in made:
        if closes(one):
            log.warning("seal generation closed", table=one.table, seal=one.number)
    return made


def _log_unsealed(warning: Diagnostic) -> None:
    log.error("table not sealed", reason=warning.message_primary)


def _remember_seals() -> None:
    """Record the highest number after the commit: a sequence is not rolled back."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_remember_seals()")


def seals_ever_made() -> int:
    """Return the highest number that any seal had, even if that seal is gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value, is_called FROM audit_seal_number_seq")
        number, used = cursor.fetchone()
        return int(number) if used else 0
