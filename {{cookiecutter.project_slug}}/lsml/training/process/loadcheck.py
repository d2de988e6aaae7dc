"""Loads a new version as inference will, before the run reports success."""

import gc
import traceback
from pathlib import Path

from django.db import Error as DatabaseError

from label_studio_ml.hosting import ModelClass, load_version, reads_artifacts
from lsml.labelstudio.secrets import error_text
from lsml.registry.artifacts import Artifact, fetch_artifact
from lsml.registry.errors import RegistryError, StorageUnavailable
from lsml.registry.models import Project
from lsml.training.process.store import RunStore


def why_not_loadable(
    kind: ModelClass,
    *,
    project: Project,
    store: RunStore,
    artifact: Artifact | None,
    folder: Path,
) -> str:
    """Fetch the artifact again and load it into a new instance of the model.

    Args:
        kind: The user's class.
        project: The project of the version.
        store: As the training left it.
        artifact: What was stored; None = nothing was written.
        folder: A new folder, so that the bytes come from the storage.

    Returns:
        Why it cannot be loaded; "" if it can.

    Raises:
        DatabaseError: The model asked for its state while the database was down.
        StorageUnavailable: The artifact storage does not answer.
    """
    gc.collect()  # frees the trained instance: two may not fit into memory
    try:
        fetched = (
            fetch_artifact(artifact, cache=folder / "cache")
            if artifact and reads_artifacts(kind)
            else None
        )
        load_version(
            kind,
            store=store,
            project_id=str(project.labelstudio_id),
            label_config=project.label_config or None,
            artifacts=fetched.folder if fetched else None,
            empty_dir=folder / "empty",
            trained=True,
        )
    except RegistryError as error:
        return str(error)
    except (DatabaseError, StorageUnavailable):
        raise  # not the model's fault: it is tried again
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code
        traceback.print_exc()  # into the run's log
        return error_text(error)
    return ""
