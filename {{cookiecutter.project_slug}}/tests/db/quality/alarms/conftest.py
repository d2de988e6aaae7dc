import pytest

from tests.db.audit.rows import predict


@pytest.fixture
def chat(server, settings):
    """A webhook that accepts everything, and the texts that it got."""
    server.answers["/hook/secret-path"] = b"ok"
    settings.ALERT_WEBHOOK_URL = f"{server.url}/hook/secret-path"
    settings.CONSOLE_URL = "https://ml.example"
    return server


@pytest.fixture
def failing(project):
    """Nine answers and three errors of a version, just now."""
    for outcome in ["ok"] * 9 + ["error"] * 3:
        predict(project_pk=project.pk, model_version="v3", outcome=outcome)
    return project
