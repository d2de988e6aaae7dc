"""The folders of killed workers are removed, and those of running attempts stay."""

import os
from types import SimpleNamespace

import pytest
from django.utils import timezone

from lsml.registry.models import Project
from lsml.training.models import TrainingRun
from lsml.training.worker import folders

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    return TrainingRun.objects.create(
        project=Project.objects.create(labelstudio_id=1),
        state="running",
        fence=2,
        trigger="person",
        requested_by="ann",
        created_at=timezone.now(),
    )


def folder_of(run, monkeypatch, *, host=None, fence=2):
    with monkeypatch.context() as patch:
        if host:
            patch.setattr(folders.socket, "gethostname", lambda: host)
        return folders.new_folder(SimpleNamespace(pk=run.pk, fence=fence))


def test_the_folder_of_a_live_process_of_this_host_stays(run, monkeypatch):
    TrainingRun.objects.update(state="succeeded")  # it is about to remove the folder
    ours = folder_of(run, monkeypatch)
    folders.remove_orphans()
    assert ours.exists()


def test_the_folder_of_an_ended_process_of_this_host_is_removed(run, monkeypatch):
    ours = folder_of(run, monkeypatch)
    ended = ours.rename(str(ours).replace(str(os.getpid()), "999999999"))
    folders.remove_orphans()
    assert not ended.exists()


def test_the_folder_of_another_hosts_active_attempt_stays(run, monkeypatch):
    theirs = folder_of(run, monkeypatch, host="worker-2")
    folders.remove_orphans()
    assert theirs.exists()


@pytest.mark.parametrize(
    "change", [{"state": "failed"}, {"fence": 3}], ids=["run ended", "next attempt"]
)
def test_the_folder_of_another_hosts_attempt_that_is_over_is_removed(
    run, monkeypatch, change
):
    theirs = folder_of(run, monkeypatch, host="a-container-of-last-week")
    TrainingRun.objects.update(**change)
    folders.remove_orphans()
    assert not theirs.exists()
