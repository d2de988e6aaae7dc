"""Promotions of a project wait for each other, and never end in a deadlock."""

import threading

import psycopg
import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from lsml.inference.promotion import promote_loaded
from lsml.labelstudio.identity import ProjectKey
from lsml.registry.models import ModelVersion
from lsml.registry.services import get_or_create_project
from tests.db.conftest import database_url
from tests.db.training.test_receive_beside_others import once_somebody_waits

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.usefixtures("constant")
def test_a_person_promotes_a_marked_version_while_it_is_evaluated(origin):
    """The end of an evaluation locks the project, and then writes the version."""
    project = get_or_create_project(ProjectKey.parse("1.1795433940"))
    version = ModelVersion.objects.create(
        project=project,
        number=1,
        version="v1",
        load_error="the storage was full",
        created_at=timezone.now(),
    )
    refused = []

    def promote():
        try:
            promote_loaded(
                project=project, version=version, actor="ada", reason="", origin=origin
            )
        except OperationalError as error:
            refused.append(error)
        finally:
            connections.close_all()

    with (
        psycopg.connect(database_url()) as deciding,
        psycopg.connect(database_url(), autocommit=True) as watching,
    ):
        deciding.execute(
            "SELECT FROM registry_project WHERE id = %s FOR NO KEY UPDATE",
            [project.pk],
        )

        def decide():
            deciding.execute(
                "UPDATE registry_modelversion SET held_back = 'x' WHERE id = %s",
                [version.pk],
            )
            deciding.commit()

        with once_somebody_waits(watching, decide):
            thread = threading.Thread(target=promote)
            thread.start()
            thread.join()
    assert not refused
    project.refresh_from_db()
    assert project.served_version == "v1"
