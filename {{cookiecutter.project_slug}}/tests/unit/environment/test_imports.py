"""No process imports at its start what it does not need: seconds, in each of five."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
TASKS = """
from config import celery_app
celery_app.loader.import_default_modules()
"""
START = {
    "web": "import config.wsgi",
    "model": "import config.model_process",
    "worker": TASKS,
    "beat": TASKS,
    "training": """
import django
django.setup()
import lsml.training.process.trainer
""",
    "dev": """
import django
django.setup()
from django.core.management import load_command_class
load_command_class("lsml.embedded", "dev")
""",
}
# What label-studio-sdk's client and label interface, the model and S3 bring.
OF_MODEL_OR_SDK = {"numpy", "pandas", "scipy", "sklearn", "pydantic", "boto3", "model"}
OF_PAGES = {"drf_spectacular.views", "lsml.console.pages", "lsml.api.views"}


def loaded_by(process):
    """Return the names of all modules that this process has imported when it starts."""
    kind = "worker" if process == "training" else process
    done = subprocess.run(
        [sys.executable, "-c", f"{START[process]}\n{PRINT}"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LSML_PROCESS": kind,
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "x" * 60,
        },
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


PRINT = "import json, sys; print(json.dumps(sorted(sys.modules)))"


@pytest.mark.parametrize("process", START)
def test_a_process_loads_neither_the_model_nor_the_sdk_client_and_only_web_the_pages(
    process,
):
    loaded = loaded_by(process)
    assert loaded & OF_MODEL_OR_SDK == set()
    assert not {name for name in loaded if name.startswith("label_studio_sdk.client")}
    assert loaded & OF_PAGES == (OF_PAGES if process == "web" else set())
