"""What nobody waits for has a model process of its own, if there is one."""

import socket
import threading
from contextlib import suppress

import pytest

from lsml.audit.models import Prediction
from lsml.inference.checks import check_model_urls
from lsml.inference.errors import ModelCrashed
from lsml.inference.services import predict_shadow
from lsml.model_process.errors import ModelProcessUnavailable
from lsml.registry.models import Project
from lsml.registry.served import Served
from tests.db.conftest import order, tasks
from tests.model_process import frozen_model_process, model_process

pytestmark = [
    pytest.mark.django_db,
    # httpcore leaves the socket that it could not connect to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
AWAY = "http://127.0.0.1:1"


@pytest.fixture
def processes(settings):
    """Set where both model processes answer."""
    settings.MODEL_PLACEMENT = "process"

    def answer_at(*, serving, background):
        settings.MODEL_URL, settings.BACKGROUND_MODEL_URL = serving, background

    return answer_at


def in_shadow(origin):
    serving = Served(Project.objects.get().pk, "0.0.1", "")
    return predict_shadow(serving, tasks(1), origin=origin)


def kinds():
    return list(Prediction.objects.order_by("pk").values_list("kind", flat=True))


@pytest.mark.usefixtures("constant")
def test_without_the_background_process_people_get_answers_and_the_shadow_waits(
    post, origin, processes
):
    with model_process() as url:
        processes(serving=url, background=AWAY)
        assert post("/predict", order(1)).status_code == 200
        with pytest.raises(ModelProcessUnavailable, match="BACKGROUND_MODEL_URL"):
            in_shadow(origin)
        assert post("/predict", order(1)).status_code == 200
    assert kinds() == ["batch", "batch"]


@pytest.mark.usefixtures("constant")
def test_the_background_process_predicts_also_without_the_one_that_serves(
    post, origin, processes
):
    with model_process() as url:
        processes(serving=url, background=url)
        post("/predict", order(1))
        processes(serving=AWAY, background=url)
        assert len(in_shadow(origin).by_task) == 1
        answer = post("/predict", order(1))
        assert (answer.status_code, answer.json()["code"]) == (
            503,
            "model_process_away",
        )
    assert kinds() == ["batch", "shadow"]


@pytest.mark.usefixtures("constant")
def test_without_its_address_the_one_model_process_predicts_everything(
    post, origin, processes
):
    with model_process() as url:
        processes(serving=url, background="")
        post("/predict", order(1))
        assert len(in_shadow(origin).by_task) == 1
    processes(serving=AWAY, background="")
    with pytest.raises(ModelProcessUnavailable, match="check its log and MODEL_URL"):
        in_shadow(origin)


@pytest.mark.usefixtures("constant")
def test_with_models_in_web_its_address_is_not_used(post, origin, settings):
    settings.BACKGROUND_MODEL_URL = AWAY
    post("/predict", order(1))
    assert len(in_shadow(origin).by_task) == 1


@pytest.mark.usefixtures("constant")
def test_a_candidate_that_ends_the_background_process_is_named(
    post, origin, processes, dying
):
    with model_process() as url:
        processes(serving=url, background=dying)
        post("/predict", order(1))
        with pytest.raises(ModelCrashed):
            in_shadow(origin)
        assert post("/predict", order(1)).status_code == 200


@pytest.fixture
def dying():
    """A process that accepts a request, and ends without an answer."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def die():
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(65_536)

        threading.Thread(target=die, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.usefixtures("constant")
@pytest.mark.parametrize("answers", [True, False])
def test_the_metrics_say_whether_it_answers(api, processes, answers):
    with model_process() as url:
        processes(serving=url, background=url if answers else AWAY)
        lines = api.get("/metrics").content.decode().splitlines()
    assert f"lsml_background_model_process_up {int(answers)}" in lines
    assert "lsml_model_process_up 1" in lines


@pytest.mark.usefixtures("constant")
def test_the_metrics_say_that_a_frozen_one_does_not_answer(api, processes, monkeypatch):
    with model_process() as url, frozen_model_process(monkeypatch) as frozen:
        processes(serving=url, background=frozen)
        lines = api.get("/metrics").content.decode().splitlines()
    assert "lsml_background_model_process_up 0" in lines
    assert "lsml_model_process_up 1" in lines


@pytest.mark.usefixtures("constant")
def test_the_metrics_do_not_mention_it_if_there_is_none(api, processes):
    with model_process() as url:
        processes(serving=url, background="")
        assert "background" not in api.get("/metrics").content.decode()


@pytest.mark.usefixtures("constant")
def test_health_does_not_ask_it(api, processes):
    with model_process() as url:
        processes(serving=url, background=AWAY)
        assert api.get("/health").json()["model_class"] == "ConstantModel"


@pytest.mark.parametrize(
    ("url", "ids"),
    [
        ("", []),
        ("unix:///run/background.sock", []),
        ("http://10.0.0.5:9092", []),
        ("background.sock", ["lsml.E050"]),
        ("http://", ["lsml.E050"]),
    ],
)
def test_an_address_that_is_none_is_reported(settings, url, ids):
    settings.BACKGROUND_MODEL_URL = url
    found = check_model_urls()
    assert [each.id for each in found] == ids
    assert all(each.msg.startswith("BACKGROUND_MODEL_URL is not") for each in found)
