"""A version is loaded before it is promoted; web always has a version to serve."""

import gc
import shutil
import threading
from io import StringIO

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from django.utils import timezone
from rest_framework.test import APIClient

from lsml.audit.models import AuditEntry, Prediction
from lsml.inference import promotion, services
from lsml.inference.hosting.host import host
from lsml.labelstudio.identity import ProjectKey
from lsml.registry import artifacts, fallback
from lsml.registry.artifacts import store_artifact
from lsml.registry.errors import NotPromotable
from lsml.registry.models import ModelVersion, Promotion
from lsml.registry.services import get_or_create_project, promote
from lsml.registry.storage_url import storage_from_url
from tests.console.addresses import page
from tests.db.conftest import order
from tests.models.loading import LoadingModel, SlowLoadingModel

# A promotion loads in a thread of its own, which sees what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project():
    return get_or_create_project(ProjectKey.parse("1.1795433940"))


@pytest.fixture
def storage(settings, tmp_path):
    settings.ARTIFACT_CACHE_DIR = tmp_path / "cache"
    kept = tmp_path / "kept"
    settings.STORAGES = settings.STORAGES | {
        "artifacts": storage_from_url(kept.as_uri())
    }
    return kept


@pytest.fixture
def make(project, storage, tmp_path):
    """Create a version whose artifact contains that word."""

    def version(number, word):
        folder = tmp_path / f"v{number}"
        folder.mkdir()
        (folder / "word").write_text(word)
        stored = store_artifact(folder, key=f"{number}.tar")
        return ModelVersion.objects.create(
            project=project,
            number=number,
            version=f"v{number}",
            artifact_key=stored.key,
            artifact_sha256=stored.sha256,
            artifact_bytes=stored.size,
            snapshot_digest=f"digest {number}",
            created_at=timezone.now(),
        )

    return version


@pytest.fixture
def loading(serve):
    serve("tests.models.loading.LoadingModel")
    LoadingModel.loaded = []
    return LoadingModel


@pytest.fixture
def serving(project, origin):
    """Promote without loading, as a process other than web could."""

    def put(version):
        promote(project=project, version=version, actor="x", reason="x", origin=origin)
        return version

    return put


@pytest.fixture
def operator(db):
    user = User.objects.create_user("olga", password="correct horse", is_staff=True)
    user.groups.add(Group.objects.get(name="operator"))
    return user


@pytest.fixture
def ask(operator):
    """Promote through REST."""
    client = APIClient()
    client.force_authenticate(operator)

    def promote_by_rest(version):
        url = f"/api/v1/versions/{version.pk}/promote"
        return client.post(url, {"reason": "better"}, format="json")

    return promote_by_rest


def missing(storage, version):
    (storage / version.artifact_key).unlink()


def damaged(storage, version):
    (storage / version.artifact_key).write_bytes(b"other bytes")


def whole(storage, version):
    pass


def version_of(reply):
    assert reply.status_code == 200, reply.content
    return reply.json()["results"][0]["model_version"]


def test_a_promotion_against_the_policy_is_marked_with_its_verdict(
    loading, make, serving, ask
):
    serving(make(1, "first"))
    second = make(2, "fine")
    ModelVersion.objects.filter(pk=second.pk).update(held_back="recall fell")
    reply = ask(second).json()
    assert (reply["reason"], reply["overrides"]) == ("better", "recall fell")
    assert Promotion.objects.latest("pk").overrides == "recall fell"
    assert ask(make(3, "fine")).json()["overrides"] == ""


@pytest.mark.parametrize(
    ("word", "spoil", "sentence"),
    [
        ("broken", whole, "ValueError: weights of another shape"),
        ("gone", whole, "SystemExit: no GPU"),
        ("fine", missing, "is not in the artifact storage"),
        ("fine", damaged, "is damaged"),
    ],
)
def test_a_version_that_does_not_load_is_refused_and_the_previous_one_stays(
    post, loading, make, serving, storage, ask, word, spoil, sentence
):
    serving(make(1, "first"))
    second = make(2, word)
    spoil(storage, second)
    reply = ask(second)
    assert (reply.status_code, reply.json()["code"]) == (409, "refused")
    assert sentence in reply.json()["detail"]
    assert "v1 is still served" in reply.json()["detail"]
    assert version_of(post("/predict", order(1))) == "v1"
    second.refresh_from_db()
    assert sentence in second.load_error
    refusal = AuditEntry.objects.get(verb="promotion refused")
    assert (refusal.actor, refusal.target) == ("olga", "version v2")
    assert sentence in refusal.detail["error"]
    assert "hunter2" not in str([reply.json(), refusal.detail, second.load_error])
    assert Promotion.objects.count() == 1


def test_a_promoted_version_is_in_memory_before_its_first_request(
    post, loading, make, ask
):
    assert ask(make(1, "first")).status_code == 200
    assert loading.loaded == ["first"]
    assert version_of(post("/predict", order(1))) == "v1"
    assert loading.loaded == ["first"]


def test_a_marked_version_is_promoted_by_a_person_once_it_loads(
    loading, make, ask, storage, project, origin
):
    version = make(1, "first")
    kept = (storage / "1.tar").rename(storage / "elsewhere")
    assert ask(version).status_code == 409
    version.refresh_from_db()
    with pytest.raises(NotPromotable, match="does not load"):
        promote(project=project, version=version, actor="x", reason="x", origin=origin)
    kept.rename(storage / "1.tar")
    assert ask(version).status_code == 200
    version.refresh_from_db()
    assert version.load_error == ""


def test_the_console_shows_why_a_version_was_not_promoted(
    client, loading, make, serving, project, operator
):
    serving(make(1, "first"))
    make(2, "broken")
    client.force_login(operator)
    address = page("promote", project.pk) + "?version=v2"
    shown = client.post(address, {"reason": "better"}, follow=True)
    assert "v2 was not promoted; v1 is still served" in shown.text
    project.refresh_from_db()
    assert project.served_version == "v1"


def test_the_command_refuses_a_version_that_does_not_load(loading, make):
    make(1, "broken")
    with pytest.raises(CommandError, match="weights of another shape"):
        call_command("promote", "1", "v1", reason="better", stdout=StringIO())


def test_rolling_back_to_a_version_that_does_not_load_is_refused(
    loading, make, serving, storage, project, origin
):
    missing(storage, serving(make(1, "first")))
    serving(make(2, "second"))
    with pytest.raises(NotPromotable, match="v2 is still served"):
        promotion.roll_back(project=project, actor="x", reason="x", origin=origin)
    project.refresh_from_db()
    assert project.served_version == "v2"


def test_a_slow_load_is_refused_in_time_and_continues(
    serve, make, project, origin, monkeypatch
):
    serve("tests.models.loading.SlowLoadingModel")
    monkeypatch.setattr(promotion, "LOAD_WITHIN_S", 0.1)
    SlowLoadingModel.go_on.clear()
    version = make(1, "first")
    facts = {"project": project, "actor": "x", "reason": "x", "origin": origin}
    with pytest.raises(NotPromotable, match=r"still loading after 0\.1 s"):
        promotion.promote_loaded(version=version, **facts)
    assert version.load_error == ""
    monkeypatch.setattr(promotion, "LOAD_WITHIN_S", 5)
    SlowLoadingModel.go_on.set()
    promotion.promote_loaded(version=version, **facts)
    assert project.served_version == "v1"


def test_a_version_whose_project_is_deleted_while_it_loads_is_not_served(
    serve, post, make, project, origin, monkeypatch
):
    serve("tests.models.loading.SlowLoadingModel")
    SlowLoadingModel.go_on.clear()
    version = make(1, "first")
    load = host.load

    def load_while_it_is_deleted(*args, **options):
        assert post("/delete", {"project": str(project.key)}).status_code == 200
        SlowLoadingModel.go_on.set()
        load(*args, **options)

    monkeypatch.setattr(host, "load", load_while_it_is_deleted)
    with pytest.raises(NotPromotable, match="v1 is archived"):
        promotion.promote_loaded(
            project=project, version=version, actor="x", reason="x", origin=origin
        )
    project.refresh_from_db()
    assert project.served_version == "0.0.1"


@pytest.mark.parametrize(
    ("word", "spoil"),
    [("broken", whole), ("gone", whole), ("fine", missing), ("fine", damaged)],
)
def test_web_goes_back_when_what_is_served_does_not_load(
    post, loading, make, serving, storage, project, word, spoil
):
    serving(make(1, "first"))
    second = serving(make(2, word))
    spoil(storage, second)
    assert version_of(post("/predict", order(1))) == "v1"
    assert version_of(post("/predict", order(1))) == "v1"
    assert Prediction.objects.filter(model_version="v1", outcome="ok").count() == 2
    last = Promotion.objects.order_by("-pk").first()
    assert (last.actor, last.from_version, last.to_version.version) == (
        "policy",
        second,
        "v1",
    )
    assert last.reason.startswith("v2 cannot be loaded where it serves: ")
    assert Promotion.objects.count() == 3
    second.refresh_from_db()
    assert second.load_error


def test_web_goes_back_past_every_version_that_does_not_load(
    post, loading, make, serving, storage
):
    serving(make(1, "first"))
    missing(storage, serving(make(2, "second")))
    serving(make(3, "broken"))
    assert version_of(post("/predict", order(1))) == "v1"
    marked = ModelVersion.objects.exclude(load_error="").order_by("number")
    assert [version.version for version in marked] == ["v2", "v3"]


def test_web_goes_back_to_the_untrained_model_when_nothing_else_is_left(
    post, loading, make, serving
):
    serving(make(1, "broken"))
    assert version_of(post("/predict", order(1))) == "0.0.1"
    assert Promotion.objects.order_by("-pk").first().to_version is None


def test_a_model_that_cannot_be_created_at_all_rolls_nothing_back(
    post, serve, make, serving, monkeypatch
):
    serve("tests.models.loading.LoadingModel")
    serving(make(1, "first"))
    monkeypatch.setattr(LoadingModel, "setup", lambda self: 1 / 0)
    reply = post("/predict", order(1))
    assert (reply.status_code, reply.json()["code"]) == (500, "model_error")
    assert "ZeroDivisionError" in reply.json()["detail"]
    assert Promotion.objects.count() == 1
    assert not ModelVersion.objects.exclude(load_error="").exists()


def test_a_database_error_while_loading_rolls_nothing_back(
    post, loading, make, serving, monkeypatch
):
    def load(self, artifacts):
        raise OperationalError("the connection is lost")

    serving(make(1, "first"))
    serving(make(2, "second"))
    monkeypatch.setattr(LoadingModel, "load", load)
    assert post("/predict", order(1)).status_code == 503
    assert Promotion.objects.count() == 2


def test_a_storage_that_answers_late_does_not_roll_back_a_version(
    post, loading, make, serving, monkeypatch
):
    monkeypatch.setattr(artifacts, "_RETRY_AFTER_S", (0.01, 0.01))
    serving(make(1, "first"))
    stored, refused = artifacts.artifact_storage(), []

    class Refusing:
        def open(self, name, mode="rb"):
            if len(refused) < 2:
                refused.append(name)
                raise ConnectionRefusedError("connection refused")
            return stored.open(name, mode)

    monkeypatch.setattr(artifacts, "artifact_storage", Refusing)
    assert version_of(post("/predict", order(1))) == "v1"
    assert len(refused) == 2


@pytest.fixture
def storage_away(monkeypatch):
    """Call to let the storage refuse connections; what it returns, to end that."""
    monkeypatch.setattr(artifacts, "_RETRY_AFTER_S", (0.01, 0.01))
    answering = artifacts.artifact_storage

    class Refusing:
        def open(self, name, mode="rb"):
            raise ConnectionRefusedError("connection refused")

    def switch(storage):
        monkeypatch.setattr(artifacts, "artifact_storage", storage)

    def away():
        switch(Refusing)
        return lambda: switch(answering)

    return away


@pytest.mark.usefixtures("placement")
def test_while_the_storage_is_away_clients_are_told_to_try_again(
    post, loading, make, serving, storage_away
):
    serving(make(1, "first"))
    second = serving(make(2, "second"))
    answers_again = storage_away()
    reply = post("/predict", order(1))
    assert (reply.status_code, reply.json()["code"]) == (503, "storage_away")
    assert reply["Retry-After"] == "5"
    assert "the artifact storage cannot be used" in reply.json()["detail"]
    assert not Prediction.objects.exists()
    second.refresh_from_db()
    assert (second.load_error, Promotion.objects.count()) == ("", 2)
    answers_again()
    assert version_of(post("/predict", order(1))) == "v2"


def test_a_promotion_while_the_storage_is_away_is_refused_and_marks_nothing(
    post, loading, make, serving, ask, storage_away
):
    serving(make(1, "first"))
    second = make(2, "second")
    answers_again = storage_away()
    reply = ask(second)
    assert (reply.status_code, reply.json()["code"]) == (409, "refused")
    assert "the artifact storage cannot be used" in reply.json()["detail"]
    second.refresh_from_db()
    assert second.load_error == ""
    answers_again()
    assert ask(second).status_code == 200


def test_a_bulk_prediction_in_a_worker_does_not_change_what_web_serves(
    loading, make, serving, project, origin
):
    serving(make(1, "broken"))
    request = services.PredictRequest.parse(order(1))
    with pytest.raises(services.ModelError):
        services.predict(request, origin=origin, kind=Prediction.Kind.BULK)
    assert Promotion.objects.count() == 1


def test_two_threads_that_roll_back_at_once_write_one_promotion(
    loading, make, serving, origin, monkeypatch
):
    serving(make(1, "first"))
    serving(make(2, "broken"))
    both_have_failed = threading.Barrier(2)
    write, found = fallback.fall_back, []

    def together(**facts):
        both_have_failed.wait(5)
        return write(**facts)

    def ask():
        request = services.PredictRequest.parse(order(1))
        found.append(services.predict(request, origin=origin).model_version)
        connections.close_all()

    monkeypatch.setattr(fallback, "fall_back", together)
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["v1", "v1"]
    assert Promotion.objects.filter(actor="policy").count() == 1


def test_an_artifact_that_left_the_storage_is_still_served_from_this_hosts_cache(
    post, loading, make, serving, storage
):
    serving(make(1, "first"))
    post("/predict", order(1))
    shutil.rmtree(storage)
    host.clear()
    assert version_of(post("/predict", order(1))) == "v1"


def test_promoting_the_served_version_again_is_refused_and_keeps_the_roll_back(
    loading, make, serving, project, origin
):
    serving(make(1, "first"))
    serving(make(2, "second"))
    served = project.versions.get(version="v2")
    with pytest.raises(NotPromotable, match="v2 is served already"):
        promotion.promote_loaded(
            project=project, version=served, actor="x", reason="again", origin=origin
        )
    promotion.roll_back(project=project, actor="x", reason="x", origin=origin)
    project.refresh_from_db()
    assert project.served_version == "v1"


def test_rolling_back_is_refused_if_another_version_is_served_by_now(
    loading, make, serving, project, origin
):
    serving(make(1, "first"))
    serving(make(2, "second"))
    seen = type(project).objects.get(pk=project.pk)
    assert seen.served_version == "v2"
    third = make(3, "third")
    promote(project=project, version=third, actor="ada", reason="", origin=origin)
    with pytest.raises(NotPromotable, match="v2 is no longer served"):
        promotion.roll_back(project=seen, actor="x", reason="x", origin=origin)
    project.refresh_from_db()
    assert project.served_version == "v3"


def test_rolling_back_from_the_untrained_model_is_refused_if_it_is_not_served_any_more(
    loading, make, serving, project, origin
):
    serving(make(1, "first"))
    serving(None)
    seen = type(project).objects.get(pk=project.pk)
    serving(make(2, "second"))
    with pytest.raises(NotPromotable, match=r"0\.0\.1 is no longer served"):
        promotion.roll_back(project=seen, actor="x", reason="x", origin=origin)
    project.refresh_from_db()
    assert project.served_version == "v2"


def test_rolling_back_is_refused_if_the_version_is_promoted_again_meanwhile(
    loading, make, serving, project, origin, monkeypatch
):
    first, second = serving(make(1, "first")), serving(make(2, "second"))
    load = host.load

    def load_while_it_is_promoted_again(*args, **options):
        serving(first)
        serving(second)
        load(*args, **options)

    monkeypatch.setattr(host, "load", load_while_it_is_promoted_again)
    seen = type(project).objects.get(pk=project.pk)
    with pytest.raises(NotPromotable, match="v2 was promoted again meanwhile"):
        promotion.roll_back(project=seen, actor="x", reason="x", origin=origin)
    project.refresh_from_db()
    assert project.served_version == "v2"


def test_rolling_back_skips_a_promotion_that_changed_nothing(
    loading, make, serving, project, origin
):
    serving(make(1, "first"))
    second = serving(make(2, "second"))
    serving(second)  # as two requests that promote it at the same moment
    promotion.roll_back(project=project, actor="x", reason="x", origin=origin)
    project.refresh_from_db()
    assert project.served_version == "v1"


def test_a_file_that_was_changed_in_the_cache_is_not_loaded_after_a_restart(
    post, loading, make, serving, settings
):
    serving(make(1, "first"))
    post("/predict", order(1))
    [cached] = settings.ARTIFACT_CACHE_DIR.glob("*/word")
    cached.write_text("other")
    host.clear()
    assert version_of(post("/predict", order(1))) == "v1"
    assert loading.loaded == ["first", "first"]


def test_a_cache_that_others_can_change_rolls_nothing_back(
    post, loading, make, serving, settings
):
    serving(make(1, "first"))
    settings.ARTIFACT_CACHE_DIR.mkdir()
    settings.ARTIFACT_CACHE_DIR.chmod(0o777)
    reply = post("/predict", order(1))
    assert (reply.status_code, reply.json()["code"]) == (500, "model_error")
    assert "can be changed by other users" in reply.json()["detail"]
    assert loading.loaded == []
    assert Promotion.objects.count() == 1


def test_the_files_of_a_model_in_memory_stay_in_the_cache(
    post, loading, make, serving, settings
):
    serving(make(1, "first"))
    post("/predict", order(1))
    cache = artifacts.ArtifactCache(settings.ARTIFACT_CACHE_DIR)
    cache.prune(keep=0)
    assert len(list(cache.root.glob("*/word"))) == 1
    host.clear()
    gc.collect()
    cache.prune(keep=0)
    assert list(cache.root.glob("*/word")) == []
