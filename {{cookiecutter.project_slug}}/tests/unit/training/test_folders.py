"""The folders of attempts on this host."""

import os
import stat
from types import SimpleNamespace

import pytest

from lsml.training.worker.folders import new_folder


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_the_folder_of_an_attempt_is_private_whatever_the_umask(
    settings, tmp_path, umask
):
    settings.DATA_DIR = tmp_path
    before = os.umask(umask)
    try:
        folder = new_folder(SimpleNamespace(pk=1, fence=1))
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
