"""Settings of the tests: the service's own, with secrets made up."""

import os

os.environ.setdefault("SECRET_KEY", "tests-only-" + "x" * 50)

from config.settings import *  # noqa: F403 - environment first
