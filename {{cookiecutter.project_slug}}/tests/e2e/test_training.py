"""Training by real workers while workers, brokers and hosts fail."""

import os
import shutil
import signal
import statistics
import time

import pytest

from lsml.dataset.services import LOCK_SPACE
from tests.chaos.hosts import Hosts
from tests.chaos.servers import RabbitBroker

pytestmark = pytest.mark.slow


def test_events_from_a_broker_outage_are_trained_when_it_is_back(
    start_service,
):
    service = start_service(TRAINING_SWEEP_S="2")
    service.until_trained(service.annotate(1))
    service.broker.stop()
    answered_ms = []
    for number in range(2, 102):
        began = time.perf_counter()
        last = service.annotate(number)
        answered_ms.append((time.perf_counter() - began) * 1000)
    service.broker.start()
    service.until_trained(last)
    print("p99", statistics.quantiles(answered_ms, n=100)[98])


def test_a_stopped_worker_hands_its_run_to_another(start_service):
    service = start_service(CHAOS_TRAINING_S="60", TRAINING_STOP_GRACE_S="0.5")
    service.annotate(1)
    ((run, owner),) = service.until(
        "SELECT id, lease_owner FROM training_trainingrun WHERE state = 'running'"
        " AND message LIKE 'step%%'"
    )
    programs = service.playground.programs
    pid = int(owner.rpartition(":")[2])
    (name,) = [name for name, each in programs.items() if each.process.pid == pid]
    programs[name].send(signal.SIGTERM)
    service.until(
        "SELECT 1 FROM training_trainingattempt WHERE run_id = %s AND number = 1"
        " AND outcome = 'handed_back'",
        run,
    )
    service.until(
        "SELECT 1 FROM training_trainingattempt WHERE run_id = %s AND number = 2", run
    )


@pytest.mark.skipif(not RabbitBroker.available(), reason="RabbitMQ is not installed")
def test_with_rabbitmq_no_message_waits_for_a_training_to_end(start_service):
    # RabbitMQ's delivery timeout closes a consumer that holds a message too long.
    service = start_service(rabbitmq=True, CHAOS_TRAINING_S="300")
    event = service.annotate(1)
    service.until(
        "SELECT id FROM training_trainingrun WHERE state = 'running'"
        " AND message LIKE 'step%%'"
    )
    unacknowledged = service.broker.queues("messages_unacknowledged")
    assert unacknowledged["training"] == 0, unacknowledged
    assert not service.rows(
        "SELECT 1 FROM training_trainingrun r JOIN training_runevent e ON"
        " e.run_id = r.id WHERE e.event_id = %s AND r.state <> 'running'",
        event,
    )


@pytest.mark.skipif(not RabbitBroker.available(), reason="RabbitMQ is not installed")
def test_beat_continues_after_a_restart_of_rabbitmq(start_service):
    service = start_service(rabbitmq=True, TRAINING_SWEEP_S="1")
    beats = [
        service.playground.programs[name].process.pid for name in ("beat-1", "beat-2")
    ]
    service.broker.kill()
    last = service.annotate(1)  # its message is lost; only a sweep can find it
    service.broker.start()
    service.until_trained(last)
    assert beats == [
        service.playground.programs[name].process.pid for name in ("beat-1", "beat-2")
    ]


@pytest.mark.skipif(not RabbitBroker.available(), reason="RabbitMQ is not installed")
def test_a_busy_worker_continues_after_a_restart_of_rabbitmq(start_service):
    service = start_service(rabbitmq=True, TRAINING_SWEEP_S="1")
    service.until_trained(service.annotate(1))
    with service.database_session() as session:
        session.execute(
            "SELECT pg_advisory_lock(%s, id::int) FROM registry_project", [LOCK_SPACE]
        )
        for number in (2, 3):  # one for each thread of the worker
            service.annotate(number)
        service.until(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " HAVING count(*) = 2"
        )
        service.broker.kill()
        last = service.annotate(4)
        service.broker.start()
        service.until_consumed("default")
    service.until_trained(last)
    # Restoring a reduced prefetch count can block the worker's only connection for
    # good. It does so rarely, so look for the reduction itself.
    log = service.playground.programs["default"].log.read_text()
    assert "reducing the prefetch count" not in log


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("ip"), reason="network namespaces need root"
)
def test_a_disconnected_host_loses_the_run_and_cannot_change_it(
    start_service, monkeypatch
):
    for name in ("ARTIFACT_STORAGE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "")  # set by the hosts, restored after the test
    hosts = Hosts()
    service = start_service(
        hosts=hosts,
        TRAINING_LEASE_S="4",
        TRAINING_SWEEP_S="1",
        CHAOS_TRAINING_S="40",
        CHAOS_STEPS="8",
    )
    event = service.annotate(1)
    ((run, owner),) = service.until(
        "SELECT id, lease_owner FROM training_trainingrun WHERE state = 'running'"
        " AND message LIKE 'step%%'"
    )
    programs = service.playground.programs
    pid = int(owner.rpartition(":")[2])
    (isolated,) = [name for name in hosts.names if programs[name].process.pid == pid]
    hosts.cut(isolated)
    service.until(
        "SELECT 1 FROM training_trainingattempt WHERE run_id = %s AND number = 1"
        " AND outcome = 'lost'",
        run,
    )
    service.until(
        "SELECT 1 FROM training_trainingattempt WHERE run_id = %s AND number = 2", run
    )
    hosts.restore(isolated)
    service.until_trained(event, within_s=120)
    assert service.rows("SELECT count(*) FROM registry_modelversion") == [(1,)]
    ((key,),) = service.rows("SELECT artifact_key FROM registry_modelversion")
    deadline = time.monotonic() + 40  # until the isolated host has noticed
    while (stored := service.stored()) != [key]:
        assert time.monotonic() < deadline, stored
        time.sleep(0.5)
    assert programs[isolated].process.pid == pid, "the worker itself must survive"
