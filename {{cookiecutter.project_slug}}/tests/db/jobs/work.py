"""A worker as a process of its own: `python -m tests.db.jobs.work KIND JOB`.

Prints a line when the work begins, which goes on until the worker is ended.
"""

import sys
import time

import django

django.setup()

from lsml.jobs.kinds import kind_named  # noqa: E402 - Django first
from lsml.jobs.running import run_job  # noqa: E402


def main(name, pk):
    def work(running):
        print("begun", flush=True)
        while True:
            running.advance(1)
            time.sleep(0.05)

    run_job(kind_named(name), int(pk), work)


main(*sys.argv[1:])
