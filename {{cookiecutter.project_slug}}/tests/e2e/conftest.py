"""A complete service: servers, web, two training workers, two beats."""

import http.client
import json
import os
import subprocess
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress

import psycopg
import pytest

from lsml.embedded.addresses import database_url
from lsml.embedded.folders import prepare_folders
from lsml.embedded.servers import running
from tests.chaos.hosts import connect_hosts
from tests.chaos.pgbouncer import PgBouncer
from tests.chaos.playground import Playground
from tests.chaos.servers import Database, RabbitBroker, ValkeyBroker, free_port
from tests.e2e.clusters import Cluster


class Service:
    """A running service, with the requests and queries that tests need."""

    def __init__(self, folder, broker, playground, database):
        self.folder = folder
        self.broker = broker
        self.playground = playground
        self.database = database
        self._url = database_url(folder)
        self._bucket = folder / "s3" / "models" / "chaos"

    def annotate(self, number, task=None):
        """Send an annotation; return the event's id."""
        body = {
            "action": "ANNOTATION_CREATED",
            "project": {"id": 1, "created_at": "2026-11-23T11:39:00Z"},
            "annotation": {"id": number, "task": number, "result": []},
            "task": task or {"id": number, "data": {"text": "hm"}},
        }
        status, answer = self.call("POST", "/webhook", body)
        assert status == 200, answer
        return int(answer["job"])

    def call(self, method, path, body=None):
        web = http.client.HTTPConnection("127.0.0.1", self.playground.port, timeout=20)
        try:
            web.request(
                method,
                path,
                json.dumps(body) if body else None,
                {"Content-Type": "application/json"},
            )
            reply = web.getresponse()
            return reply.status, json.loads(reply.read() or b"null")
        finally:
            web.close()

    def text(self, path):
        """Return what a page answers."""
        address = f"http://127.0.0.1:{self.playground.port}{path}"
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.read().decode()

    def rows(self, sql, *arguments):
        with psycopg.connect(self._url) as connection:
            return connection.execute(sql, arguments).fetchall()

    def database_session(self):
        """Return a database connection; leaving it releases its locks."""
        return psycopg.connect(self._url, autocommit=True)

    def until_healthy(self, *, within_s=90):
        """Wait until the web process answers."""
        deadline = time.monotonic() + within_s
        while True:
            with suppress(OSError):
                if self.call("GET", "/health")[0] == 200:
                    return
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def until_consumed(self, queue, *, within_s=60):
        """Wait until a worker consumes the RabbitMQ queue."""
        deadline = time.monotonic() + within_s
        while not self.broker.queues("consumers").get(queue):
            assert time.monotonic() < deadline, f"nothing consumes {queue}"
            time.sleep(0.2)

    def stored(self):
        """Return the keys of the artifacts on S3, sorted."""
        return sorted(
            str(path.relative_to(self._bucket)) for path in self._bucket.rglob("*.tar")
        )

    def until(self, sql, *arguments, within_s=60):
        """Wait until the query returns rows; return them."""
        deadline = time.monotonic() + within_s
        while not (rows := self.rows(sql, *arguments)):
            assert time.monotonic() < deadline, f"no rows within {within_s} s: {sql}"
            time.sleep(0.1)
        return rows

    def until_trained(self, event_id, *, within_s=60):
        return self.until(
            "SELECT r.id FROM training_trainingrun r JOIN training_runevent e"
            " ON e.run_id = r.id WHERE e.event_id = %s AND r.state = 'succeeded'",
            event_id,
            within_s=within_s,
        )


def service_environment(folder, **environment):
    """Return the variables of a service that has its data and servers in a folder."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "e2e-" + "x" * 50,
        "HTTPS": "false",
        "LSML_DATA_DIR": str(folder),
        "DATABASE_URL": "",
        "MODEL_CLASS": "tests.chaos.model.Remembering",
        "TRAINING_STOP_GRACE_S": "1",
        "PYTHONWARNINGS": "ignore",
        **environment,
    }


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """The files of a PostgreSQL with all tables, which each service gets a copy of.

    Creating and migrating one takes several seconds.
    """
    folder = tmp_path_factory.mktemp("migrated")
    environment = service_environment(folder)
    with running(folder, broker=False, durable=False):
        Playground(folder, environment, port=0).run("manage.py", "migrate", "-v0")
    return folder / "postgres"


@pytest.fixture
def start_service(tmp_path_factory, migrated):
    """Start a service with a broker and settings; stop it after the test.

    With `only`, start no other programs than those with these names.
    """
    started = []
    others = ExitStack()

    def start(*, rabbitmq=False, pgbouncer=False, hosts=None, only=None, **environment):
        folder = tmp_path_factory.mktemp("service")
        prepare_folders(folder)
        database = Database(folder)
        broker = RabbitBroker(folder) if rabbitmq else ValkeyBroker(folder)
        environment = service_environment(
            folder, CELERY_BROKER_URL=broker.url, **environment
        )
        if not pgbouncer:  # through which the tables are made, too
            subprocess.run(["cp", "-a", migrated, folder], check=True)
        database.start()
        broker.start()
        if pgbouncer:
            pooler = PgBouncer(folder)
            pooler.start()
            others.callback(pooler.stop)
            environment |= {"DATABASE_URL": pooler.url, "DATABASE_PGBOUNCER": "true"}
        if hosts:
            others.enter_context(closing_hosts(hosts))
            s3 = connect_hosts(hosts, folder, environment, broker, free_port())
            others.callback(s3.stop)
        port = free_port()
        playground = Playground(folder, environment, port=port, hosts=hosts, only=only)
        service = Service(folder, broker, playground, database)
        started.append(service)
        if pgbouncer:
            playground.run("manage.py", "migrate", "--verbosity", "0")
        playground.start()
        service.until_healthy()
        return service

    yield start
    for service in started:
        service.playground.stop()
        service.broker.stop()
        service.database.stop()
    others.close()


@contextmanager
def closing_hosts(hosts):
    hosts.build()
    try:
        yield
    finally:
        hosts.tear_down()


@pytest.fixture
def start_cluster(tmp_path):
    """Start a PostgreSQL of its own; stop it after the test."""
    clusters = []

    def start(name, **environment):
        clusters.append(Cluster(tmp_path / name, **environment))
        return clusters[-1]

    yield start
    for cluster in clusters:
        cluster.server.stop()
