"""Settings of the tests: those of the service, independent of the shell and .env.

DATABASE_URL and CELERY_BROKER_URL are used if set; otherwise embedded servers run, a
pair for each process of pytest-xdist: sealing waits for every transaction of a cluster,
also for those of other tests.
"""

import os
import re
from pathlib import Path

from lsml.audit.tables import AUDIT_TABLES

_PROJECT = Path(__file__).resolve().parent.parent
_HONOURED = {"DATABASE_URL", "CELERY_BROKER_URL"}
_read = re.findall(
    r'env\.\w+\(\s*"([A-Z_]+)"', (_PROJECT / "config/settings.py").read_text()
)
_read += [table.retention for table in AUDIT_TABLES]
for _name in set(_read) - _HONOURED:
    os.environ.pop(_name, None)

_process = os.environ.get("PYTEST_XDIST_WORKER", "")
os.environ |= {
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "tests-only-" + "x" * 50,
    "LSML_DATA_DIR": str(_PROJECT / ".data" / "test" / _process),
    "HTTPS": "false",
    "LOG_FORMAT": "console",
}

from config.settings import *  # noqa: E402, F403 - the environment first

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast
