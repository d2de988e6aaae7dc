"""A new version that annotators agree less with is rolled back, if the policy says."""

import threading
from datetime import timedelta
from itertools import count

import pytest
from django.db import connections, transaction
from django.utils import timezone
from structlog.testing import capture_logs

from lsml.audit.models import AuditEntry
from lsml.dataset.agreement import update_agreements
from lsml.dataset.live import CONTROLS
from lsml.dataset.models import LiveAgreement
from lsml.inference import placement
from lsml.inference.errors import ModelNotLoadable, StillLoading
from lsml.observability.origin import Origin
from lsml.quality.live import rolling_back
from lsml.quality.live.rolling_back import roll_back_worse
from lsml.quality.tasks import watch_agreement
from lsml.registry.models import ModelVersion, Project
from lsml.registry.policy import change_policy
from lsml.registry.projects import archive_project
from lsml.registry.services import promote
from tests.db.quality.history import History
from tests.models.loading import WaitingModel

pytestmark = pytest.mark.django_db

ORIGIN = Origin("test", "test")
START = timezone.now() - timedelta(days=30)
GOOD, BAD = [1.0] * 9 + [0.0], [0.0, 1.0]


@pytest.fixture
def project(history, scripted):
    """v3 was promoted after v2, both by the policy; it rolls back on a drop."""
    project = history.project
    project.roll_back_on_drop = True
    project.save()
    for number in (2, 3):
        history.version(number, "", timezone.now())
    serve("v2", project)
    serve("v3", project)
    return project


@pytest.fixture
def agree(history):
    """Count annotations of predictions by a version, one a minute."""
    numbers = count(1)

    def agree(version, values, control="topic"):
        LiveAgreement.objects.bulk_create(
            LiveAgreement(
                project=history.project,
                annotation_id=number,
                prediction_id=number,
                model_version=version,
                at=START + timedelta(minutes=number),
                value=value,
                sums={CONTROLS: {control: [1, value, value**2]}},
            )
            for value, number in zip(values, numbers, strict=False)
        )

    return agree


@pytest.fixture
def worse(project, agree):
    """v2 had 90 %, v3 has 50 %."""
    agree("v2", GOOD * 20)
    agree("v3", BAD * 20)
    return project


@pytest.fixture(autouse=True)
def load(monkeypatch):
    """Do this instead of loading, which happens in a thread, in another transaction."""

    class Models:
        error, instead = None, None

        def load(self, serving, origin, **_):
            if self.instead:
                self.instead()
            if self.error:
                raise self.error

    models = Models()
    monkeypatch.setattr("lsml.inference.promotion.models", lambda: models)
    return models


def serve(name, project, actor="policy"):
    version = project.versions.get(version=name) if name else None
    promote(project=project, version=version, actor=actor, reason="", origin=ORIGIN)


def served(project):
    roll_back_worse()
    project.refresh_from_db()
    return project.served_version


def refusals():
    return AuditEntry.objects.filter(verb="promotion refused", actor="policy").count()


def test_a_worse_version_is_rolled_back_by_the_policy_with_the_figures(worse):
    assert served(worse) == "v2"
    last = worse.promotions.latest("pk")
    assert (last.actor, last.from_version.version) == ("policy", "v3")
    assert last.reason == (
        "agreement with annotators 50 % on its first 40 annotations; v2 had 90.0 % on"
        " its last 200"
    )
    assert last.rolled_back_by_policy


def test_annotations_of_predictions_that_were_shown_are_compared(project, history):
    for task_id in range(1, 81):
        version, agrees = ("v2", True) if task_id <= 60 else ("v3", task_id % 2)
        history.predict(task_id, "Refund", version=version, created_at=START)
        history.annotate(
            task_id, "Refund" if agrees else "Billing", created_at=timezone.now()
        )
    ids = [100 * task_id for task_id in range(1, 81)]
    update_agreements(project=project, annotation_ids=ids)
    assert served(project) == "v2"
    assert "50 % on its first 20 annotations; v2 had 100 % on its last 60" in (
        project.promotions.latest("pk").reason
    )


@pytest.mark.django_db(transaction=True)
def test_the_check_of_live_agreement_does_it(worse, monkeypatch):
    monkeypatch.setattr("lsml.inference.promotion.models", placement.models)
    watch_agreement()
    worse.refresh_from_db()
    assert worse.served_version == "v2"


def test_an_equal_version_stays(project, agree):
    agree("v2", GOOD * 20)
    agree("v3", GOOD * 20)
    assert served(project) == "v3"


def test_unless_it_is_wanted_nothing_is_rolled_back(worse):
    type(worse).objects.update(roll_back_on_drop=False)
    assert served(worse) == "v3"


@pytest.mark.parametrize(
    "facts", [{"promotion_policy": "manual"}, {"archived_at": START}]
)
def test_a_project_that_is_archived_or_in_which_only_people_promote_stays(worse, facts):
    type(worse).objects.update(**facts)
    assert served(worse) == "v3"


def test_what_a_person_promoted_stays(worse):
    serve("v2", worse, "ada")
    serve("v3", worse, "ada")
    assert served(worse) == "v3"
    other = worse.versions.create(number=4, version="v4", created_at=START)
    serve(other.version, worse, "ada")
    LiveAgreement.objects.filter(model_version="v3").update(model_version="v4")
    LiveAgreement.objects.filter(model_version="v2").update(model_version="v3")
    assert served(worse) == "v4"


def test_what_was_rolled_back_to_is_not_compared_with_what_came_after_it(worse, agree):
    assert served(worse) == "v2"
    LiveAgreement.objects.filter(model_version="v2").update(value=0.0, sums={})
    agree("v3", [1.0] * 300)
    assert served(worse) == "v2"


def test_it_goes_back_to_the_untrained_model_if_that_was_better(project, agree):
    first = project.versions.create(number=4, version="v4", created_at=START)
    serve("", project, "ada")
    serve(first.version, project)
    agree("0.0.1", GOOD * 20)
    agree("v4", BAD * 20)
    assert served(project) == "0.0.1"


def test_without_a_promotion_there_is_nothing_to_go_back_to(history, worse):
    type(worse).objects.update(active_version=history.version(9, "", START))
    assert served(worse) == "v9"


def test_only_the_first_300_annotations_count(project, agree):
    agree("v2", GOOD * 20)
    agree("v3", GOOD * 30 + BAD * 200)
    assert served(project) == "v3"


def test_of_the_version_before_the_latest_500_annotations_count(project, agree):
    agree("v2", BAD * 300 + GOOD * 50)
    agree("v3", BAD * 20)
    assert served(project) == "v2"
    assert "v2 had 90.0 % on its last 500" in project.promotions.latest("pk").reason


def test_only_controls_that_both_versions_have_are_compared(project, agree):
    agree("v2", GOOD * 20)
    agree("v3", GOOD * 4)
    agree("v3", BAD * 40, control="added since")
    assert served(project) == "v3"


def test_of_an_annotation_only_the_common_controls_are_compared(project, agree):
    agree("v2", GOOD * 20)
    agree("v3", GOOD * 4)
    for row in LiveAgreement.objects.filter(model_version="v3"):
        row.value = row.value / 2
        row.sums[CONTROLS]["added since"] = [1, 0.0, 0.0]
        row.save()
    assert served(project) == "v3"


def test_empty_answers_that_are_right_count(project, agree):
    agree("v2", [1.0] * 200)
    LiveAgreement.objects.update(sums={})
    agree("v3", BAD * 20)
    LiveAgreement.objects.filter(value=1.0).update(sums={})
    LiveAgreement.objects.filter(model_version="v2", annotation_id__gt=199).update(
        sums={CONTROLS: {"topic": [1, 1.0, 1.0]}}
    )
    assert served(project) == "v2"


@pytest.mark.parametrize("facts", [{"state": "archived"}, {"load_error": "no GPU"}])
def test_a_version_that_cannot_serve_is_not_tried(worse, load, facts):
    load.error = AssertionError("it was loaded")
    ModelVersion.objects.filter(version="v2").update(**facts)
    with capture_logs() as logs:
        assert served(worse) == "v3"
    assert not logs


def test_a_version_that_does_not_load_is_refused_once(worse, load):
    load.error = ModelNotLoadable("no GPU")
    ModelVersion.objects.filter(version="v2").update(snapshot_digest="trained")
    assert served(worse) == "v3"
    assert served(worse) == "v3"
    assert refusals() == 1


def test_a_version_that_still_loads_is_tried_again_after_a_while(
    worse, load, monkeypatch
):
    load.error = StillLoading("v2", waited_s=30)
    assert served(worse) == "v3"
    load.error = None
    assert served(worse) == "v3"
    assert refusals() == 1
    monkeypatch.setattr(rolling_back, "_TRY_AGAIN_AFTER", timedelta(0))
    assert served(worse) == "v2"


def test_of_two_checks_at_once_one_rolls_back(worse, load):
    load.instead = lambda: (setattr(load, "instead", None), roll_back_worse())
    with capture_logs() as logs:
        assert served(worse) == "v2"
    assert [each["event"] for each in logs] == ["rolled back", "not rolled back"]
    assert worse.promotions.count() == 3


def test_a_project_costs_few_queries(worse, django_assert_max_num_queries):
    LiveAgreement.objects.update(value=1.0, sums={})
    with django_assert_max_num_queries(5):
        roll_back_worse()


def test_a_project_that_cannot_be_rolled_back_does_not_stop_the_others(
    worse, monkeypatch
):
    other = History(labelstudio_id=8).project
    type(worse).objects.update(roll_back_on_drop=True)
    looked_at = []

    def fail(project):
        looked_at.append(project.pk)
        raise OSError("no space left on device")

    monkeypatch.setattr(rolling_back, "_only_promotion", fail)
    with capture_logs() as logs:
        roll_back_worse()
    assert looked_at == [worse.pk, other.pk]
    assert [each["project"] for each in logs] == looked_at


def test_what_changes_while_another_project_loads_counts(worse, load, monkeypatch):
    other = History(labelstudio_id=8).project
    type(worse).objects.update(roll_back_on_drop=True)
    others = type(worse).objects.filter(pk=other.pk)
    load.instead = lambda: others.update(roll_back_on_drop=False)
    looked_at, look = [], rolling_back._only_promotion

    def only_promotion(project):
        looked_at.append(project)
        return look(project)

    monkeypatch.setattr(rolling_back, "_only_promotion", only_promotion)
    assert served(worse) == "v2"
    assert other not in looked_at


# --- While the former version loads ---


@pytest.fixture
def loads(worse, serve, monkeypatch):
    """Check in another process, as it were, and do something while v2 loads there."""
    monkeypatch.setattr("lsml.inference.promotion.models", placement.models)
    serve("tests.models.loading.WaitingModel")
    WaitingModel.hold()

    def check():
        roll_back_worse()
        connections.close_all()

    def meanwhile(change):
        thread = threading.Thread(target=check)
        thread.start()
        assert WaitingModel.begun.wait(5)
        change(Project.objects.get(pk=worse.pk))
        WaitingModel.go_on.set()
        thread.join(5)
        worse.refresh_from_db()
        return worse.served_version

    return meanwhile


def policy(**changes):
    def change(project):
        change_policy(
            project=project, changes=changes, actor="ada", reason="", origin=ORIGIN
        )

    return change


def archive(project):
    with transaction.atomic():
        archive_project(project=project, origin=ORIGIN, at=timezone.now())


def promoted(*names):
    def change(project):
        for name in names:
            serve(name, project, "ada")

    return change


@pytest.mark.django_db(transaction=True)
def test_the_former_version_serves_once_it_has_loaded(worse, loads):
    assert loads(lambda project: None) == "v2"
    assert worse.promotions.latest("pk").rolled_back_by_policy


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("change", "stays"),
    [
        (policy(roll_back_on_drop=False), "v3"),
        (policy(promotion_policy="manual"), "v3"),
        (archive, "0.0.1"),
        (promoted("v1"), "v1"),
        (promoted("v2"), "v2"),
        (promoted("v2", "v3"), "v3"),
    ],
    ids=[
        "switched off",
        "only people promote",
        "archived",
        "another version promoted",
        "rolled back by a person",
        "promoted again by a person",
    ],
)
def test_what_people_change_while_the_former_version_loads_counts(
    history, worse, loads, change, stays
):
    history.version(1, "", timezone.now())
    assert loads(change) == stays
    assert not any(each.rolled_back_by_policy for each in worse.promotions.all())
