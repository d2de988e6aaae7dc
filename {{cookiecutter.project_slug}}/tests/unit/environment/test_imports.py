"""No process imports at its start what it does not need: seconds, in each of six."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps

PROJECT = Path(__file__).parents[3]
# In one process: what none of these loads, each of them does not load.
BESIDE_WEB = """
import config.model_process
from config import celery_app
celery_app.loader.import_default_modules()
import lsml.training.process.trainer
from django.core.management import load_command_class
load_command_class("lsml.embedded", "dev")
"""
WEB = "import config.wsgi"
# What label-studio-sdk's client and label interface, the model and S3 bring.
OF_MODEL_OR_SDK = {"numpy", "pandas", "scipy", "sklearn", "pydantic", "boto3", "model"}
OF_PAGES = {"drf_spectacular.views", "lsml.console.pages", "lsml.api.views"}


def loaded_by(start, process):
    """Return the names of all modules that this process has imported when it starts."""
    done = subprocess.run(
        [sys.executable, "-c", f"{start}\n{PRINT}"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "LSML_PROCESS": process,
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "x" * 60,
        },
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


PRINT = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def assert_has_neither_model_nor_sdk(loaded):
    assert loaded & OF_MODEL_OR_SDK == set()
    assert not {name for name in loaded if name.startswith("label_studio_sdk.client")}


@pytest.mark.slow
def test_web_loads_neither_the_model_nor_the_sdk_client():
    loaded = loaded_by(WEB, "web")
    assert_has_neither_model_nor_sdk(loaded)
    assert loaded >= OF_PAGES


@pytest.mark.slow
def test_model_process_workers_beat_training_and_dev_load_no_pages_either():
    loaded = loaded_by(BESIDE_WEB, "worker")
    assert_has_neither_model_nor_sdk(loaded)
    assert not loaded & OF_PAGES


@pytest.mark.parametrize(
    ("process", "times"),
    [("web", 1), ("model", 0), ("worker", 0), ("beat", 0), ("dev", 0)],
)
def test_only_web_discovers_the_pages(settings, monkeypatch, process, times):
    settings.PROCESS = process
    discovered = []
    monkeypatch.setattr(
        "lsml.console.apps.autodiscover", lambda: discovered.append(process)
    )
    apps.get_app_config("admin").ready()
    assert len(discovered) == times
