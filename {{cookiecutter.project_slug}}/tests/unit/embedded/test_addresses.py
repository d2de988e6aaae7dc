"""The addresses of the embedded servers follow from the data folder."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import environ
import psycopg.conninfo
import pytest

from lsml.embedded import addresses
from lsml.model_process.address import own_socket, socket_of

PROJECT = Path(__file__).parents[3]


def test_sockets_are_in_a_data_folder_with_a_short_plain_path():
    folder = Path("/srv/project/.data")
    assert addresses.socket_folder(folder) == Path("/srv/project/.data/run")


def test_sockets_of_a_data_folder_with_a_long_path_are_in_tmp():
    folder = addresses.socket_folder(Path("/srv") / ("x" * 120) / ".data")
    assert str(folder).startswith(f"/tmp/lsml-{os.getuid()}/")
    assert len(os.fsencode(folder)) <= addresses.SOCKET_FOLDER_MAX_BYTES


def test_sockets_of_a_data_folder_whose_path_needs_quoting_are_in_tmp():
    for odd in ("a b", "it's", 'say "x"', "käse", "50%", "a,b", "a?b#c"):
        folder = addresses.socket_folder(Path("/srv") / odd)
        assert str(folder).startswith("/tmp/lsml-"), odd


def test_each_long_path_has_its_own_folder_in_tmp():
    first, second = (Path("/srv") / (letter * 120) for letter in "ab")
    assert addresses.socket_folder(first) != addresses.socket_folder(second)
    assert addresses.socket_folder(first) == addresses.socket_folder(first)


def test_django_and_libpq_read_the_database_url_alike():
    url = addresses.database_url(Path("/srv/p/.data"))
    django = environ.Env.db_url_config(url)
    assert django["OPTIONS"]["host"] == "/srv/p/.data/run"
    assert (django["NAME"], django["USER"]) == ("lsml", "postgres")
    libpq = psycopg.conninfo.conninfo_to_dict(url)
    assert libpq["host"] == "/srv/p/.data/run"
    assert libpq["dbname"] == "lsml"


PRINT = "from config import settings; print(settings.BACKGROUND_MODEL_URL)"


@pytest.mark.slow
@pytest.mark.parametrize("process", ["command", "web"])
def test_a_command_finds_the_background_model_process_of_make_dev(tmp_path, process):
    """Web would keep an address at which nobody answers later on."""
    environment = {
        "PATH": os.environ["PATH"],
        "ENV_FILE": os.devnull,
        "LSML_DATA_DIR": str(tmp_path),
        "LSML_PROCESS": process,
    }

    def read():
        command = [sys.executable, "-c", PRINT]
        return subprocess.check_output(
            command, cwd=PROJECT, env=environment, text=True
        ).strip()

    url = addresses.background_model_url(tmp_path)
    addresses.socket_folder(tmp_path).mkdir(parents=True, exist_ok=True)
    assert read() == ""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(own_socket(socket_of(url)))
        server.listen()
        assert read() == (url if process == "command" else "")
    assert read() == ""
