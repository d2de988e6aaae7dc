"""`manage.py prepare` in several processes, as when machines start together."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from lsml.embedded.addresses import database_url
from lsml.embedded.servers import running

PROJECT = Path(__file__).parents[2]
PROCESSES = 5
# What the role `service` of compose.yaml can log in to, add and change.
RIGHTS = """
SELECT rolcanlogin, has_table_privilege(oid, 'audit_prediction', 'INSERT'),
       has_table_privilege(oid, 'audit_prediction', 'UPDATE')
FROM pg_roles WHERE rolname = 'service'
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_all_of_several_processes_succeed_on_an_empty_database(tmp_path):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "x" * 60,
        "LSML_DATA_DIR": str(tmp_path),
        "DATABASE_URL": database_url(tmp_path),
        "DATABASE_SERVICE_ROLE": "service",
        "DATABASE_SERVICE_PASSWORD": "not-a-real-one-either",
        "ADMIN_USER": "boss",
        "ADMIN_PASSWORD": "not-a-real-one",
        "PYTHONWARNINGS": "ignore",
    }
    with running(tmp_path, broker=False, durable=False):
        started = [
            subprocess.Popen(
                [sys.executable, "manage.py", "prepare"],
                cwd=PROJECT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=environment,
            )
            for _ in range(PROCESSES)
        ]
        outputs = [process.communicate()[0] for process in started]
        assert [each.returncode for each in started] == [0] * PROCESSES, "\n".join(
            outputs
        )
        with psycopg.connect(database_url(tmp_path)) as connection:
            admins = connection.execute("SELECT username FROM auth_user").fetchall()
            rights = connection.execute(RIGHTS).fetchall()
        assert admins == [("boss",)]
        assert rights == [(True, True, False)]
