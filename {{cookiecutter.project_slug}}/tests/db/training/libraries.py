"""Imports the libraries of a training process, and nothing that reads the settings.

The fork server of `tests.db.training.forking` imports this module once. Each training
process that it forks then imports the service with its own environment.
"""

import importlib
import os
import subprocess
import sys
from contextlib import suppress

_SERVICE = {"config", "label_studio_ml", "lsml", "model", "__main__"}
_LIST = """
import django, sys
django.setup()
import lsml.training.process.trainer
print(*sys.modules)
"""

_names = subprocess.run(
    [sys.executable, "-c", _LIST],
    env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
    capture_output=True,
    text=True,
    check=True,
).stdout.split()
os.environ.pop("DJANGO_SETTINGS_MODULE", None)
for _name in _names:
    if _name.partition(".")[0] not in _SERVICE:
        with suppress(Exception):  # it reads the settings, and is imported later
            importlib.import_module(_name)
