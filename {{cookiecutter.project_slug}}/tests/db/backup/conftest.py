"""A service with rows and artifacts, and a backup of it."""

import hashlib
import io

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from lsml.audit import sealing
from lsml.observability.origin import Origin
from lsml.registry.artifacts import artifact_storage
from lsml.registry.models import Project
from lsml.registry.services import VersionFacts, register_version
from lsml.registry.storage_url import storage_from_url
from tests.conftest import _DELETE_ROWS
from tests.db.audit.rows import hear, predict

ORIGIN = Origin("test-request", "test")


@pytest.fixture
def artifacts(settings, tmp_path):
    """Use a folder of the test as the artifact storage; return the folder."""
    folder = tmp_path / "artifacts"
    use_storage(settings, folder.as_uri())
    return folder


def use_storage(settings, url):
    settings.STORAGES = settings.STORAGES | {"artifacts": storage_from_url(url)}


def add_version(project, number):
    """Add a version with an artifact, as a training does."""
    content = f"artifact {number}".encode()
    key = f"project-{project.pk}/run-{number}/1.tar"
    artifact_storage().save(key, ContentFile(content))
    facts = VersionFacts(
        artifact_key=key,
        artifact_sha256=hashlib.sha256(content).hexdigest(),
        artifact_bytes=len(content),
    )
    with transaction.atomic():
        register_version(project=project, facts=facts, at=timezone.now(), origin=ORIGIN)


@pytest.fixture
def history(transactional_db, artifacts):
    """Two versions, sealed rows and unsealed ones; texts that COPY has to escape."""
    restart_sequences()
    project = Project.objects.create(labelstudio_id=7, title="tab\there\\N\nline")
    for number in (1, 2):
        add_version(project, number)
    predict(3, error='"quoted", \\.\n\r\t', score=0.1 + 0.2)
    hear(payload={"text": "é\u2028 \\u0041", "n": 1e20})
    sealing.seal()
    predict(2)
    return project


@pytest.fixture
def backup(history, tmp_path):
    """A complete backup; return its folder."""
    folder = tmp_path / "backups" / "one"
    run("backup", folder)
    return folder


def run(command, folder, *options):
    """Run a command; return what it prints."""
    output = io.StringIO()
    call_command(command, str(folder), *options, stdout=output, stderr=output)
    return output.getvalue()


def restart_sequences():
    """Have all sequences be as in a new database: deleting rows leaves them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"
            " AND relnamespace = current_schema()::regnamespace"
            # Their tables keep the rows that all tests need.
            " AND relname !~ '^(auth_permission|auth_group|django)_'"
        )


def empty(settings, folder):
    """Remove all rows, and use a new folder as the artifact storage."""
    with connection.cursor() as cursor:
        cursor.execute(_DELETE_ROWS)
    restart_sequences()
    use_storage(settings, folder.as_uri())
