"""Where a model written for the reference SDK keeps what it learns: MODEL_DIR."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from label_studio_ml.hosting import ModelClass, learns_by_fit, run_anew
from lsml.registry.artifacts import Artifact, fetch_artifact
from lsml.registry.models import ModelVersion


@contextmanager
def at_home(
    kind: ModelClass, *, served: ModelVersion | None, artifacts: Path
) -> Iterator[ModelClass]:
    """Make the new version's artifact the MODEL_DIR of a class with `fit` only.

    Such a model goes on from what it finds there, so the folder begins as the served
    version's. Where the operator sets MODEL_DIR, the files are the operator's affair.

    Args:
        kind: The user's class.
        served: The version to go on from.
        artifacts: Folder of the new version.
    """
    if not learns_by_fit(kind) or os.environ.get("MODEL_DIR"):
        yield kind
        return
    if served is not None and served.artifact_key:
        before = Artifact(
            served.artifact_key, served.artifact_sha256, served.artifact_bytes
        )
        shutil.copytree(fetch_artifact(before), artifacts, dirs_exist_ok=True)
    with run_anew(kind, model_dir=artifacts) as anew:
        yield anew
