"""Uses the servers of a folder until its standard input ends. The tests here run it."""

import json
import sys
import time
from pathlib import Path

import psycopg

from lsml.embedded.addresses import database_url
from lsml.embedded.errors import ServerError
from lsml.embedded.servers import running


def main() -> None:
    folder = Path(sys.argv[1])
    begun = time.monotonic()
    try:
        with running(folder, durable="--durable" in sys.argv):
            with psycopg.connect(database_url(folder)) as connection:
                row = connection.execute("SELECT current_setting('fsync')").fetchone()
            said = {"seconds": time.monotonic() - begun, "fsync": row and row[0]}
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()
            sys.stdin.read()
    except ServerError as error:
        sys.exit(f"refused: {error}")
    sys.stdout.write("left\n")


main()
