import os
from pathlib import Path

import environ
import psycopg.conninfo

from lsml.embedded import addresses


def test_sockets_lie_inside_a_data_folder_with_a_plain_short_path():
    folder = Path("/srv/project/.data")
    assert addresses.socket_folder(folder) == Path("/srv/project/.data/run")


def test_a_path_too_long_for_a_socket_moves_the_sockets_to_a_short_folder():
    folder = addresses.socket_folder(Path("/srv") / ("x" * 120) / ".data")
    assert str(folder).startswith(f"/tmp/lsml-{os.getuid()}/")
    assert len(os.fsencode(folder)) <= addresses.SOCKET_FOLDER_MAX_BYTES


def test_characters_that_need_quoting_move_the_sockets_too():
    for odd in ("a b", "it's", 'say "x"', "käse", "50%", "a,b", "a?b#c"):
        folder = addresses.socket_folder(Path("/srv") / odd)
        assert str(folder).startswith("/tmp/lsml-"), odd


def test_two_long_paths_get_two_folders_and_the_same_path_the_same_one():
    first, second = (Path("/srv") / (letter * 120) for letter in "ab")
    assert addresses.socket_folder(first) != addresses.socket_folder(second)
    assert addresses.socket_folder(first) == addresses.socket_folder(first)


def test_the_database_url_means_the_same_to_django_and_to_libpq():
    url = addresses.database_url(Path("/srv/p/.data"))
    django = environ.Env.db_url_config(url)
    assert django["OPTIONS"]["host"] == "/srv/p/.data/run"
    assert (django["NAME"], django["USER"]) == ("lsml", "postgres")
    libpq = psycopg.conninfo.conninfo_to_dict(url)
    assert libpq["host"] == "/srv/p/.data/run"
    assert libpq["dbname"] == "lsml"
