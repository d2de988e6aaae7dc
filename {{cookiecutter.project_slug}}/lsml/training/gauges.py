"""What waits in the inbox, for Prometheus."""

from collections.abc import Iterator
from typing import Final

from django.db import connection
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

# An event waits for Label Studio to send its payload, for a worker to apply it, or for
# a run. One that a failed or cancelled run gave back waits for none of these.
_STATES: Final = ("payload_missing", "received", "applied", "held")
_WAITING: Final = """
SELECT CASE
    WHEN held THEN 'held' WHEN payload_missing THEN 'payload_missing'
    WHEN applied_at IS NULL THEN 'received' ELSE 'applied'
  END AS state,
  count(*), greatest(0, extract(epoch FROM clock_timestamp() - min(received_at)))
FROM training_inboxentry GROUP BY state
"""


def inbox_metrics() -> Iterator[Metric]:
    """Yield how many events wait, and the age of the oldest, by state."""
    events = GaugeMetricFamily(
        "lsml_inbox_events", "Events that wait in the inbox", labels=["state"]
    )
    oldest = GaugeMetricFamily(
        "lsml_inbox_oldest_seconds", "Age of the oldest of them", labels=["state"]
    )
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        found = {state: figures for state, *figures in cursor}
    for state in _STATES:
        number, age_s = found.get(state, (0, 0))
        events.add_metric([state], number)
        oldest.add_metric([state], float(age_s))
    yield from (events, oldest)
