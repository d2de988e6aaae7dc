"""Production does not use the embedded servers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[3]
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "x" * 60,
    "DATABASE_URL": "postgresql://service@db.example/lsml",
    "CELERY_BROKER_URL": "redis://broker.example:6379/0",
    "PATH": os.environ["PATH"],
}
LOOK = """
import json, sys, django
django.setup()
from django.conf import settings
loaded = [name for name in sys.modules if name.startswith("lsml.embedded.")]
from django.core.management import get_commands
print(json.dumps({
    "apps": settings.INSTALLED_APPS, "loaded": loaded, "commands": list(get_commands())
}))
"""


def python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
        env=PRODUCTION | environment,
    ).stdout


@pytest.fixture(scope="module")
def in_production():
    return json.loads(python("-c", LOOK))


def test_production_installs_no_embedded_servers_and_loads_none_of_their_code(
    in_production,
):
    assert "lsml.embedded" not in in_production["apps"]
    assert in_production["loaded"] == ["lsml.embedded.addresses"]


def test_embedded_servers_are_installed_if_an_address_is_not_set():
    assert "lsml.embedded" in json.loads(python("-c", LOOK, DATABASE_URL=""))["apps"]


def test_prepare_exists_in_production(in_production):
    assert "prepare" in in_production["commands"]


def test_dev_exists_for_a_developer_with_their_own_servers():
    assert "--port" in python("manage.py", "dev", "--help")
