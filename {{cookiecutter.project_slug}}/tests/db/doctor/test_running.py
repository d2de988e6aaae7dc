"""One check that fails does not keep the others from running."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lsml.doctor.findings import Check, Level, ok, problem
from lsml.doctor.running import examine, run

PROJECT = Path(__file__).parents[3]


def check(examine, **facts):
    given = {"section": "Tests", "item": "it", "next_step": "Look.", **facts}
    return Check(examine=examine, **given)


def fine():
    return [ok("it", "works")]


def broken():
    raise RuntimeError("no route to redis://me:secret-word@broker:6379")


def levels(database, *others):
    return [found.level for _, found in examine(database, others)]


def test_a_check_that_raises_an_error_is_a_problem_without_secrets():
    [found] = run(check(broken))
    assert (found.level, found.next_step) == (Level.PROBLEM, "Look.")
    assert "no route to" in found.text
    assert "secret-word" not in found.text


def test_secrets_in_a_finding_are_masked():
    [found] = run(check(lambda: [ok("it", "at redis://me:secret-word@broker:6379")]))
    assert found.text == "at redis://***@broker:6379"


def test_a_check_that_ends_the_process_is_a_problem():
    [found] = run(check(lambda: sys.exit("a library refuses to work")))
    assert "refuses to work" in found.text


def test_a_check_that_hangs_is_a_problem_and_the_next_one_runs():
    hangs = threading.Event()
    first = check(lambda: hangs.wait(30) and [], timeout_s=0.1)
    assert levels(first, check(fine, needs_database=False)) == [
        Level.PROBLEM,
        Level.OK,
    ]
    hangs.set()


def test_without_postgresql_only_what_does_not_need_it_is_examined():
    ran = []
    needing = check(lambda: ran.append("needing") or fine())
    other = check(lambda: ran.append("other") or fine(), needs_database=False)
    away = check(lambda: [problem("it", "away", "Start it.")])
    assert levels(away, needing, other) == [Level.PROBLEM, Level.WARNING, Level.OK]
    assert ran == ["other"]


@pytest.fixture(scope="module")
def nothing_answers(tmp_path_factory):
    """The command's report while neither PostgreSQL nor the broker is there."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=PROJECT,
        check=False,
        capture_output=True,
        text=True,
        timeout=55,
        env={
            "PATH": os.environ["PATH"],
            "ENV_FILE": os.devnull,
            "PYTHONWARNINGS": "ignore",
            "SECRET_KEY": "x" * 60,
            "LSML_DATA_DIR": str(tmp_path_factory.mktemp("data")),
            "MODEL_CLASS": "tests.models.constant.ConstantModel",
            "DATABASE_URL": "postgresql://me:secret-word@127.0.0.1:1/none",
            "CELERY_BROKER_URL": "redis://me:secret-word@127.0.0.1:1/0",
            "LABEL_STUDIO_URL": "http://127.0.0.1:1",
            "LABEL_STUDIO_API_KEY": "secret-word",
        },
    )
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_the_command_reports_everything_while_nothing_answers(nothing_answers):
    assert nothing_answers.returncode == 1
    found = {each["item"]: each["level"] for each in json.loads(nothing_answers.stdout)}
    away = {"PostgreSQL", "broker", "Label Studio", "workers"}
    assert {found[item] for item in away} == {"problem"}
    assert {found[item] for item in ("this host", "triggers", "inbox")} == {"warning"}
    assert {found[item] for item in ("artifact storage", "model", "disk")} == {"ok"}
