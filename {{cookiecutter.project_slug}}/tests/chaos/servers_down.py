"""Faults of the servers: killed, restarted, frozen, slow, without free connections."""

import time
from dataclasses import dataclass
from typing import Any

import psycopg

_DOWN_S = (0, 0, 0.5, 2, 4)
_FROZEN_S = (1, 3, 6, 12)
_SLOW_S = 5.0


@dataclass
class Servers:
    """The servers of one run; None = it is not used."""

    database: Any
    broker: Any
    pgbouncer: Any = None
    s3: Any = None

    def stop(self):
        """Stop them all, PostgreSQL last."""
        for server in (self.s3, self.pgbouncer, self.broker, self.database):
            if server:
                server.stop()


class ServerFaults:
    """Faults of PostgreSQL, PgBouncer, the broker and S3."""

    def __init__(self, servers, *, rng, background):
        self.servers = servers
        self.rng = rng
        self.background = background

    def weighted(self):
        faults = [
            (self.kill_broker, 2),
            (self.restart_broker, 2),
            (self.freeze_broker, 2),
            (self.kill_database, 2),
            (self.restart_database, 2),
            (self.freeze_database, 2),
            (self.take_all_connections, 2),
        ]
        if self.servers.pgbouncer:
            faults += [(self.kill_pgbouncer, 4), (self.restart_pgbouncer, 4)]
        if self.servers.s3:
            faults += [(self.kill_s3, 4), (self.freeze_s3, 4), (self.slow_s3, 4)]
        return faults

    def kill_broker(self):
        return self._take_down(self.servers.broker, "kill")

    def restart_broker(self):
        return self._take_down(self.servers.broker, "stop")

    def freeze_broker(self):
        return self._freeze(self.servers.broker)

    def kill_database(self):
        return self._take_down(self.servers.database, "kill")

    def restart_database(self):
        return self._take_down(self.servers.database, "stop")

    def freeze_database(self):
        return self._freeze(self.servers.database)

    def kill_pgbouncer(self):
        return self._take_down(self.servers.pgbouncer, "kill")

    def restart_pgbouncer(self):
        return self._take_down(self.servers.pgbouncer, "stop")

    def kill_s3(self):
        return self._take_down(self.servers.s3, "kill")

    def freeze_s3(self):
        return self._freeze(self.servers.s3)

    def slow_s3(self):
        s3, pause_s = self.servers.s3, self.rng.choice(_FROZEN_S)

        def slow_down():
            s3.delay_s = _SLOW_S
            time.sleep(pause_s)
            s3.delay_s = 0.0

        if not self.background.run("slow s3", slow_down):
            return None
        return f"s3 answers {_SLOW_S:.0f} s later for {pause_s} s"

    def take_all_connections(self):
        """End all sessions of PostgreSQL, and take their places."""
        database, pause_s = self.servers.database, self.rng.choice(_FROZEN_S[:3])

        def take():
            held, until = [], None
            try:
                while until is None or time.monotonic() < until:
                    try:
                        held.append(psycopg.connect(database.url, connect_timeout=2))
                    except psycopg.OperationalError:  # none is free
                        until = until or time.monotonic() + pause_s
                        _end_others(held)
                        time.sleep(0.05)
            finally:
                for connection in held:
                    connection.close()

        if not self.background.run(database.name, take):
            return None
        return f"{database.name} has no free connection for {pause_s} s"

    def _take_down(self, server, how):
        down_s = self.rng.choice(_DOWN_S)

        def take_down():
            getattr(server, how)()
            time.sleep(down_s)
            server.start()

        if not self.background.run(server.name, take_down):
            return None
        word = {"kill": "killed", "stop": "stopped"}[how]
        return f"{server.name} {word}, down for {down_s} s"

    def _freeze(self, server):
        pause_s = self.rng.choice(_FROZEN_S)

        def freeze():
            server.freeze()
            time.sleep(pause_s)
            server.thaw()

        if not self.background.run(server.name, freeze):
            return None
        return f"{server.name} frozen for {pause_s} s"


def _end_others(held):
    """End the sessions that are not held here, once all places are taken."""
    if not held:
        return
    ours = [connection.info.backend_pid for connection in held]
    try:
        with held[0].transaction():
            held[0].execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> ALL(%s)",
                [ours],
            )
    except psycopg.OperationalError:  # the server was restarted
        held.clear()
