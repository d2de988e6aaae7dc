"""The page of the models in memory, under both placements."""

import pytest
from django.urls import reverse

from lsml.inference.hosting.host import host
from tests.console.addresses import page
from tests.db.conftest import api, constant, placement, post, serve  # noqa: F401
from tests.db.conftest import order as one_task
from tests.model_process import model_process

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("placement", "constant")
def test_it_shows_each_model_with_its_version(viewer, post):  # noqa: F811 - a fixture
    post("/predict", one_task())
    text = viewer.get(page("models")).content.decode()
    assert "No model yet" not in text
    assert "0.0.1" in text
    assert "serving" in text.lower()


def test_it_says_that_there_are_none_yet(viewer):
    host.clear()
    assert "No model yet" in viewer.get(page("models")).content.decode()


# httpcore leaves the socket that it could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_says_what_to_check_while_the_model_process_does_not_answer(
    viewer, settings, tmp_path
):
    settings.MODEL_PLACEMENT = "process"
    settings.MODEL_URL = f"unix://{tmp_path}/nobody.sock"
    text = viewer.get(page("models")).content.decode()
    assert "The model process does not answer" in text
    assert "MODEL_URL" in text
    home = viewer.get(reverse("admin:index")).content.decode()
    assert "The model process does not answer" in home


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("constant")
def test_it_shows_the_background_model_process_beside_the_one_that_serves(
    viewer, settings, tmp_path
):
    settings.MODEL_PLACEMENT = "process"
    with model_process() as settings.MODEL_URL:
        settings.BACKGROUND_MODEL_URL = settings.MODEL_URL
        text = viewer.get(page("models")).content.decode()
        assert "The model process" in text
        assert "The background model process" in text
        assert "does not answer" not in text
        settings.BACKGROUND_MODEL_URL = f"unix://{tmp_path}/nobody.sock"
        text = viewer.get(page("models")).content.decode()
    assert "The background model process does not answer" in text
    assert "Predictions go on" in text
    assert "The model process does not answer" not in text
