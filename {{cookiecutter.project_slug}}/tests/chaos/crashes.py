"""Kills exactly inside the functions that must not be interrupted half-way.

`inside/sitecustomize.py` wraps them in every program of the playground.
"""

import time
from pathlib import Path

import psycopg
from celery import Celery

_INSIDE = str(Path(__file__).parent / "inside")
_ARMED_S = 15.0
_AUDIT_PARTITION = (
    "SELECT max(relid::text) FROM pg_partition_tree('audit_prediction') WHERE isleaf"
)

POINTS = {
    "promotion": ["lsml.registry.services:promote:after"],
    "sealing": [
        "lsml.audit.sealing:_make_seals:after",
        "lsml.audit.sealing:_remember_seals:before",
    ],
    "partition": ["lsml.audit.triggers:forbid_truncate:before"],
    "cleanup": [
        "lsml.registry.artifacts:remove_artifact:before",
        "lsml.registry.artifacts:remove_artifact:after",
    ],
    "training": [
        "lsml.training.runs:claim_run:after",
        "lsml.registry.artifacts:store_artifact:after",
        "lsml.training.outcomes:succeed:before",
        "lsml.training.outcomes:succeed:after",
    ],
    "inbox": [
        "lsml.training.inbox.events:apply_some:after",
        "lsml.training.inbox.events:take_events:after",
    ],
    "request": [
        "lsml.audit.services:record_predictions:after",
        "lsml.training.inbox.accept:receive:after",
    ],
    "cache": ["lsml.registry.artifact_cache:ArtifactCache._move_out:after"],
}


def crash_environment(folder):
    """Return the variables by which programs wrap the functions."""
    armed = folder / "crash"
    armed.mkdir(exist_ok=True)
    return {
        "PYTHONPATH": _INSIDE,
        "CRASH_FOLDER": str(armed),
        "CRASH_AT": " ".join(point for points in POINTS.values() for point in points),
    }


class Crashes:
    """Kills at named functions, one method for each place in the product."""

    def __init__(self, playground, broker, *, rng, background):
        self.playground = playground
        self.broker = broker
        self.rng = rng
        self.background = background
        self.reached = 0

    def weighted(self):
        return [
            (self.crash_in_promotion, 2),
            (self.crash_in_sealing, 2),
            (self.crash_in_partition, 1),
            (self.crash_in_cleanup, 1),
            (self.crash_in_training, 2),
            (self.crash_in_inbox, 1),
            (self.crash_in_request, 1),
            (self.crash_in_cache, 1),
        ]

    def crash_in_promotion(self):
        return self._arm("promotion")

    def crash_in_sealing(self):
        return self._arm("sealing")

    def crash_in_partition(self):
        """Drop the last partition, which is empty, and have it made again."""
        return self._arm("partition", provoke=self._make_partition)

    def crash_in_cleanup(self):
        return self._arm("cleanup")

    def crash_in_training(self):
        return self._arm("training")

    def crash_in_inbox(self):
        return self._arm("inbox")

    def crash_in_request(self):
        return self._arm("request")

    def crash_in_cache(self):
        return self._arm("cache")

    def _arm(self, place, *, provoke=lambda: None):
        point = self.rng.choice(POINTS[place])
        file = self.playground.folder / "crash" / point

        def arm():
            file.touch()
            provoke()
            until = time.monotonic() + _ARMED_S
            while file.exists() and time.monotonic() < until:
                time.sleep(0.1)
            try:
                file.unlink()
            except FileNotFoundError:
                self.reached += 1

        if not self.background.run(point, arm):
            return None
        return f"the next process in {point} dies"

    def _make_partition(self):
        from lsml.embedded.addresses import database_url

        url = database_url(self.playground.folder)
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=2) as connection:
                (name,) = connection.execute(_AUDIT_PARTITION).fetchone()
                connection.execute("SET lock_timeout = '2s'")
                connection.execute(f"DROP TABLE {name}")
            with Celery(broker=self.broker.url) as celery:
                celery.send_task(
                    "lsml.audit.tasks.maintain_partitions",
                    queue="scheduled",
                    retry=False,
                )
        except Exception as error:  # noqa: BLE001 - another fault is in the way
            print(f"  partition not provoked: {error}".rstrip(), flush=True)
