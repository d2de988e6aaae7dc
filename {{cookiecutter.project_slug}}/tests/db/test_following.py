"""Predictions and Label Studio's order of tasks follow the served version."""

import re
from datetime import timedelta
from io import StringIO
from itertools import count

import pytest
from celery import current_app
from django.core.management import CommandError, call_command
from django.utils import timezone

from lsml.audit.models import AuditEntry
from lsml.dataset.models import Annotation, Task
from lsml.inference import tasks
from lsml.inference.bulk import work
from lsml.inference.bulk.jobs import start_job
from lsml.inference.following import check, connecting
from lsml.inference.following.status import order_status
from lsml.inference.models import PredictionJob
from lsml.jobs.services import request_cancel
from lsml.labelstudio.identity import ProjectKey
from lsml.observability.origin import Origin
from lsml.registry.models import Following, Project
from lsml.registry.policy import change_policy
from lsml.registry.projects import duplicate_project
from lsml.registry.services import (
    VersionFacts,
    get_or_create_project,
    promote,
    register_version,
)
from lsml.registry.versions import version_before
from tests.broker import collect_messages
from tests.db.conftest import CONFIG
from tests.order_stub import URL, order_stub

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("constant")]
IDS = range(101, 111)
UNTRAINED = "0.0.1"
OWN = (["lsml"], "lsml", "Sequential sampling")


def by(version):
    """Return titles, `model_version` and sampling with this version's order."""
    return [version], version, "Uncertainty sampling"


@pytest.fixture(autouse=True)
def notifications(monkeypatch):
    return collect_messages(monkeypatch)


@pytest.fixture
def studio(settings):
    with order_stub(CONFIG, IDS) as stub:
        settings.LABEL_STUDIO_API_KEY, settings.LABEL_STUDIO_URL = "key", stub.url
        yield stub


@pytest.fixture
def project(studio):
    project = get_or_create_project(ProjectKey.parse("1.1795433940"))
    project.label_config, project.backend_url = CONFIG, URL
    project.backend_title = "lsml"
    project.save()
    know(project, IDS)
    return project


def know(project, ids):
    now = timezone.now()
    Task.objects.bulk_create(
        Task(project=project, task_id=number, data={"text": "t"}, updated_at=now)
        for number in ids
    )


def annotate(project, ids):
    now = timezone.now()
    Annotation.objects.bulk_create(
        Annotation(
            project=project, annotation_id=n, task_id=n, updated_at=now, completed_by=1
        )
        for n in ids
    )


@pytest.fixture
def settle(project, origin):
    """Check and run the jobs that were started, until nothing is left to do."""

    def settle():
        tasks.follow(project.pk)
        while job := PredictionJob.objects.filter(state="queued").first():
            work.predict_all(job.pk)
            tasks.follow(project.pk)
        project.refresh_from_db()

    return settle


@pytest.fixture
def promoted(project, origin):
    """Promote another version each time, and return its name."""
    numbers = count(1)

    def promoted():
        made = register_version(
            project=project, facts=VersionFacts(), at=timezone.now(), origin=origin
        )
        promote(
            project=project,
            version=made,
            actor="policy",
            reason=f"run {next(numbers)} succeeded",
            origin=origin,
        )
        return made.version

    return promoted


@pytest.fixture
def change(project, origin):
    def change(**changes):
        change_policy(
            project=project, changes=changes, actor="olga", reason="why", origin=origin
        )

    return change


def roll_back(project, origin):
    """Roll back without loading, which happens in a thread with another transaction."""
    earlier = version_before(project)
    promote(
        project=project, version=earlier, actor="olga", reason="worse", origin=origin
    )


def jobs():
    return list(PredictionJob.objects.order_by("pk").values_list("state", flat=True))


def moves():
    entries = AuditEntry.objects.filter(verb="task order changed").order_by("pk")
    return [(each.detail["before"], each.detail["after"]) for each in entries]


def problem():
    return Following.objects.get().problem


# --- Predictions after a promotion ---


def test_by_default_a_promotion_starts_nothing(promoted, settle, studio):
    promoted()
    settle()
    assert not jobs()
    assert not studio.requests


@pytest.mark.parametrize(("setting", "predicted"), [("all", 10), ("unlabelled", 7)])
def test_a_promoted_version_predicts_the_tasks_that_are_wanted(
    project, promoted, settle, studio, change, setting, predicted
):
    annotate(project, IDS[:3])
    change(predict_on_promotion=setting)
    settle()
    assert not jobs()  # nothing was promoted yet
    version = promoted()
    settle()
    settle()
    job = PredictionJob.objects.get()
    assert (job.state, job.sent, job.requested_by) == ("succeeded", predicted, "policy")
    assert {name for _, name in studio.predictions} == {version}
    assert studio.order == OWN


def test_tasks_that_are_not_shown_are_not_missing(project, settle, studio, change):
    change(sampling="uncertainty", withheld_percent=50)
    settle()
    settle()
    job = PredictionJob.objects.get()
    assert 0 < job.withheld == 10 - job.sent
    assert studio.order == by(UNTRAINED)
    assert not problem()


def test_a_promotion_and_a_change_of_the_setting_wake_a_worker(
    project, promoted, change, notifications, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        promoted()
    assert not notifications
    with django_capture_on_commit_callbacks(execute=True):
        change(predict_on_promotion="all")
        promoted()
    assert notifications == [(tasks.follow.name, project.pk)] * 2


@pytest.mark.parametrize(
    "setting", [{"predict_on_promotion": "all"}, {"sampling": "uncertainty"}]
)
def test_the_end_of_a_bulk_prediction_wakes_a_worker(
    project,
    promoted,
    change,
    notifications,
    setting,
    django_capture_on_commit_callbacks,
):
    change(**setting)
    promoted()
    tasks.follow(project.pk)
    notifications.clear()
    with django_capture_on_commit_callbacks(execute=True):
        work.predict_all(PredictionJob.objects.get().pk)
    assert (tasks.follow.name, project.pk) in notifications


def test_checks_of_all_projects_occupy_no_training_worker():
    """They send requests to Label Studio, one after the other."""
    name = tasks.follow_all.name
    assert current_app.amqp.router.route({}, name)["queue"].name == "default"


def test_a_promotion_whose_message_was_lost_is_followed_at_the_next_check(
    project, promoted, change
):
    change(predict_on_promotion="all")
    promoted()
    check.follow_all(Origin("check-00001", "worker"))
    assert jobs() == ["queued"]


def test_a_roll_back_and_a_fall_back_to_the_untrained_model_are_followed(
    project, promoted, settle, studio, change, origin
):
    change(predict_on_promotion="all")
    first, _second = promoted(), promoted()
    settle()
    roll_back(project, origin)
    settle()
    assert first in {name for _, name in studio.predictions}
    promote(project=project, version=None, actor="policy", reason="x", origin=origin)
    settle()
    assert UNTRAINED in {name for _, name in studio.predictions}
    assert jobs() == ["succeeded"] * 3


def test_a_job_that_is_active_is_waited_for_and_not_cancelled(
    project, promoted, settle, studio, change
):
    change(predict_on_promotion="all")
    promoted()
    tasks.follow(project.pk)
    second = promoted()
    tasks.follow(project.pk)
    assert jobs() == ["queued"]
    assert not problem()
    settle()
    assert jobs() == ["succeeded", "succeeded"]
    assert studio.each_once(second)


def test_a_job_for_a_view_is_not_taken_for_one_for_all_tasks(
    project, promoted, settle, studio, change
):
    change(predict_on_promotion="all")
    second = promoted()
    PredictionJob.objects.create(
        project=project, view=7, state="succeeded", created_at=timezone.now()
    )
    settle()
    assert studio.each_once(second)


def test_a_failed_job_is_tried_again_later_and_a_cancelled_one_is_not(
    project, promoted, settle, studio, change, origin
):
    change(predict_on_promotion="all")
    promoted()
    tasks.follow(project.pk)
    PredictionJob.objects.update(
        state="failed", finished_at=timezone.now(), error="Disk full."
    )
    settle()
    assert jobs() == ["failed"]
    assert "Disk full." in problem()
    PredictionJob.objects.update(finished_at=timezone.now() - timedelta(minutes=3))
    tasks.follow(project.pk)
    assert jobs() == ["failed", "queued"]
    last = PredictionJob.objects.latest("pk")
    request_cancel(last, actor="olga", reason="no", origin=origin)
    settle()
    assert jobs() == ["failed", "cancelled"]
    assert "was cancelled" in problem()


def test_without_known_tasks_nothing_is_started(project, promoted, settle, change):
    Task.objects.all().delete()
    change(predict_on_promotion="all")
    promoted()
    settle()
    assert not jobs()
    assert "manage.py sync" in problem()


@pytest.mark.slow
def test_while_label_studio_is_away_no_job_is_started_and_promotions_work(
    project, promoted, settle, studio, change
):
    change(predict_on_promotion="all", sampling="uncertainty")
    studio.away = True
    version = promoted()
    settle()
    assert not jobs()
    assert "503" in problem()
    assert project.served_version == version
    studio.away = False
    settle()
    assert not problem()
    assert studio.order == by(version)


# --- Label Studio's order ---


def test_predictions_come_before_the_title_and_that_before_the_sampling(
    settle, studio, change
):
    change(sampling="uncertainty")
    settle()
    assert studio.calls == [
        "predictions", f"title {UNTRAINED}", "project sampling",
    ]  # fmt: skip
    assert studio.order == by(UNTRAINED)
    studio.calls.clear()
    settle()
    assert not studio.calls
    assert moves() == [("", UNTRAINED)]


def test_the_order_follows_each_promotion_and_roll_back(
    project, settle, studio, change, promoted, origin
):
    change(sampling="uncertainty")
    first = promoted()
    settle()
    second = promoted()
    studio.predictions.append((101, second))  # an annotator opened a task
    tasks.follow(project.pk)
    assert studio.order == by(first)  # until the second has predicted
    studio.calls.clear()
    settle()
    assert studio.calls == ["predictions", f"title {second}"]
    assert studio.order == by(second)
    roll_back(project, origin)
    studio.calls.clear()
    settle()
    assert studio.calls == [f"title {first}"]
    assert studio.order == by(first)
    assert moves() == [("", first), (first, second), (second, first)]


def failing_for(*broken, invalid=()):
    """Answer as long as no task is broken, each task in a call of its own."""

    def answer(_model, tasks):
        if {each["id"] for each in tasks} & {*broken}:
            raise ValueError("cannot read it")
        label = ["Unknown"] if tasks[0]["id"] in invalid else ["Positive"]
        region = {
            "from_name": "sentiment",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": label},
        }
        return [{"result": [region], "score": 0.5} for _ in tasks]

    return answer


@pytest.fixture
def one_by_one(monkeypatch):
    monkeypatch.setattr(work, "STEP", 1)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (failing_for(101), "1 of 10 tasks .* [(]1 failed, 0 invalid[)]"),
        (failing_for(*IDS[1:]), "9 of 10 tasks .* [(]9 failed, 0 invalid[)]"),
        (failing_for(invalid=IDS[5:]), "5 of 10 tasks .* [(]0 failed, 5 invalid[)]"),
    ],
)
@pytest.mark.usefixtures("one_by_one")
def test_the_order_stays_if_too_many_tasks_are_without_a_prediction(
    settle, studio, change, promoted, scripted, answer, said
):
    scripted.answer = failing_for()
    change(sampling="uncertainty")
    settle()
    second = promoted()
    scripted.answer = answer
    settle()
    settle()
    assert jobs() == ["succeeded", "succeeded"]
    assert studio.order == by(UNTRAINED)
    assert re.search(f"left {said}", problem())
    assert "Start one for all tasks" in problem()
    assert second in problem()


@pytest.mark.usefixtures("one_by_one")
def test_the_order_follows_once_the_failed_tasks_are_predicted(
    project, settle, studio, change, promoted, scripted, origin
):
    scripted.answer = failing_for(*IDS[3:])
    change(sampling="uncertainty")
    second = promoted()
    settle()
    assert studio.order == OWN
    scripted.answer = failing_for()
    scripted.calls.clear()
    start_job(project=project, actor="olga", origin=origin)
    settle()
    assert len(scripted.calls) == 7  # the others are not predicted again
    assert studio.order == by(second)
    assert not problem()


@pytest.mark.usefixtures("one_by_one")
def test_a_few_failed_tasks_and_deleted_ones_do_not_keep_the_order(
    project, settle, studio, change, promoted, scripted
):
    know(project, range(111, 131))
    studio.tasks |= {*range(120, 131)}  # nine of the others were deleted there
    scripted.answer = failing_for(101)
    change(sampling="uncertainty")
    second = promoted()
    settle()
    job = PredictionJob.objects.get()
    assert (job.gone, job.failed) == (9, 1)
    assert studio.order == by(second)
    assert not problem()


@pytest.mark.parametrize("step", ["title", "project"])
def test_killed_between_the_steps_the_next_check_does_the_rest(
    settle, studio, change, step
):
    change(sampling="uncertainty")
    studio.fail_on = step
    settle()
    assert "not now" in problem()
    studio.fail_on = ""
    settle()
    assert studio.order == by(UNTRAINED)
    assert moves()[-1][1] == UNTRAINED


def test_killed_before_the_row_is_written_the_move_is_recorded_later(
    settle, studio, change, monkeypatch
):
    change(sampling="uncertainty")
    record = check._record

    def killed(*_):
        raise SystemExit

    monkeypatch.setattr(check, "_record", killed)
    with pytest.raises(SystemExit):
        settle()
    assert studio.order == by(UNTRAINED)
    monkeypatch.setattr(check, "_record", record)
    settle()
    assert moves() == [("", UNTRAINED)]


def spoil_title(studio):
    studio.backends[1]["title"] = studio.shown = "ours"


def spoil_choice(studio):
    studio.shown = None


def spoil_sampling(studio):
    studio.sampling = "Uniform sampling"


def add_second(studio):
    studio.add_backend(UNTRAINED)


@pytest.mark.parametrize(
    "spoil", [spoil_title, spoil_choice, spoil_sampling, add_second]
)
def test_what_a_person_or_label_studio_changed_is_put_right(
    settle, studio, change, spoil
):
    change(sampling="uncertainty")
    settle()
    spoil(studio)
    settle()
    assert studio.order == by(UNTRAINED)
    assert moves() == [("", UNTRAINED), (UNTRAINED, UNTRAINED)]


@pytest.mark.parametrize("own", ["Sequential sampling", "Uniform sampling"])
def test_switched_off_title_and_sampling_are_as_before(settle, studio, change, own):
    studio.sampling = own
    studio.backends[1]["title"] = studio.shown = "lsml"
    change(sampling="uncertainty")
    settle()
    change(sampling="label-studio")
    settle()
    assert studio.order == (["lsml"], "lsml", own)
    assert moves()[-1] == (UNTRAINED, "")
    studio.sampling = "Uncertainty sampling"  # from now on left alone
    studio.requests.clear()
    settle()
    assert not studio.requests


def test_a_project_that_took_over_the_id_of_a_deleted_one_is_not_ordered(
    settle, studio, change, promoted
):
    studio.created_at = "2026-11-30T00:00:00Z"
    change(sampling="uncertainty")
    promoted()
    settle()
    assert studio.calls == []
    assert "was deleted in Label Studio" in problem()


def test_switching_is_recorded_with_its_author(change):
    change(sampling="uncertainty")
    entry = AuditEntry.objects.get(verb="policy changed")
    assert (entry.actor, entry.detail["sampling"]["after"]) == ("olga", "uncertainty")


def test_a_duplicated_project_is_not_ordered_before_it_is_connected(
    project, change, origin
):
    change(sampling="uncertainty", predict_on_promotion="all")
    copy = duplicate_project(
        source=project.key, target=ProjectKey.parse("2.1795433941"), origin=origin
    )
    copy.refresh_from_db()
    assert (copy.sampling, copy.predict_on_promotion) == ("label-studio", "all")


def test_tasks_that_come_later_take_part(project, settle, studio, change):
    change(sampling="uncertainty")
    settle()
    studio.tasks |= {111, 112}
    know(project, (111, 112))
    settle()
    assert jobs() == ["succeeded", "succeeded"]
    assert studio.each_once(UNTRAINED)


def test_without_the_key_no_job_is_started_and_with_it_the_order_follows(
    project, settle, studio, change, settings
):
    settings.LABEL_STUDIO_API_KEY = ""
    change(sampling="uncertainty")
    settle()
    assert "LABEL_STUDIO_API_KEY" in problem()
    assert not jobs()
    settings.LABEL_STUDIO_API_KEY = "key"
    settle()
    assert studio.order == by(UNTRAINED)


def test_a_version_without_predictions_in_label_studio_is_reported(
    project, settle, studio, change
):
    annotate(project, IDS)  # nothing is left to predict
    change(sampling="uncertainty")
    settle()
    assert studio.order == OWN
    assert f"Label Studio has no predictions of {UNTRAINED}" in problem()
    assert not order_status(project).waiting


def test_a_project_that_connect_does_not_know_is_reported(project, settle, change):
    project.backend_url = ""
    project.save()
    change(sampling="uncertainty")
    settle()
    assert "manage.py connect" in problem()


def test_a_backend_that_was_removed_is_reported(settle, studio, change):
    change(sampling="uncertainty")
    studio.backends.clear()
    settle()
    assert f"no backend at {URL}" in problem()


@pytest.mark.slow
def test_if_label_studio_is_away_the_other_projects_do_not_wait_for_it(
    project, studio, change, settings
):
    change(sampling="uncertainty")
    other = Project.objects.create(labelstudio_id=2, sampling="uncertainty")
    Following.objects.create(project=other)
    settings.LABEL_STUDIO_URL = "http://127.0.0.1:1"
    check.follow_all(Origin("check-00001", "worker"))
    problems = set(Following.objects.values_list("problem", flat=True))
    assert len(problems) == 1
    assert "does not answer" in problems.pop()


def test_a_check_that_fails_for_an_unknown_reason_does_not_stop_the_others(
    project, settle, studio, change
):
    change(sampling="uncertainty")
    settle()
    del studio.backends[1]["url"]  # an answer that nobody expects
    other = Project.objects.create(labelstudio_id=2, sampling="uncertainty")
    check.follow_all(Origin("check-00001", "worker"))
    said = dict(Following.objects.values_list("project", "problem"))
    assert said[project.pk] == "The check failed: KeyError: 'url'"
    assert "manage.py sync" in said[other.pk]


# --- Only one check of a project at a time ---


def test_what_is_switched_off_during_a_check_is_switched_off_after_the_next(
    project, settle, studio, change, monkeypatch
):
    change(sampling="uncertainty")
    settle()
    keep_order = check.keep_order

    def slow(*args, **options):
        monkeypatch.setattr(check, "keep_order", keep_order)
        change(sampling="label-studio")
        tasks.follow(project.pk)  # in another worker
        return keep_order(*args, **options)

    monkeypatch.setattr(check, "keep_order", slow)
    tasks.follow(project.pk)
    tasks.follow(project.pk)
    assert studio.order == OWN


def test_a_check_of_a_killed_worker_blocks_others_only_until_its_lease_expires(
    project, settle, studio, change
):
    change(sampling="uncertainty")
    row = Following.objects.create(
        project=project, lease_expires_at=timezone.now() + timedelta(minutes=5)
    )
    settle()
    assert not studio.requests
    row.lease_expires_at = timezone.now() - timedelta(seconds=1)
    row.save()
    settle()
    assert studio.order == by(UNTRAINED)


# --- connect ---


@pytest.fixture
def connect(project, studio, monkeypatch):
    """Run `connect` without its tests of the connection, which the stub lacks."""
    for name in ("try_prediction", "_try_webhook"):
        monkeypatch.setattr(f"lsml.registry.connecting.{name}", lambda *_: None)
    for name in ("connect_webhook", "remove_stale_webhooks"):
        monkeypatch.setattr(f"lsml.labelstudio.connection.{name}", lambda *_: False)

    def connect(*options):
        out = StringIO()
        call_command(
            "connect", "--project", "1", "--backend-url", URL, *options, stdout=out
        )
        return out.getvalue()

    return connect


@pytest.fixture
def password(settings):
    settings.BASIC_AUTH_CREDENTIALS = [("me", "secret")]


@pytest.mark.usefixtures("password")
def test_connect_switches_on_and_off_and_says_how_far_it_is(connect, settle, studio):
    studio.sampling = "Uniform sampling"
    said = connect("--sampling", "uncertainty")
    assert f"{UNTRAINED} is being predicted: 0 of 10" in said
    settle()
    assert studio.order == by(UNTRAINED)
    said = connect()
    assert f"orders tasks by the scores of {UNTRAINED}" in said
    assert "Not every annotator" not in said
    said = connect("--sampling", "label-studio")
    assert studio.order == (["lsml"], "lsml", "Uniform sampling")
    entries = AuditEntry.objects.filter(verb="policy changed")
    assert [each.detail["sampling"]["after"] for each in entries.order_by("pk")] == [
        "uncertainty",
        "label-studio",
    ]


@pytest.mark.usefixtures("password")
def test_connect_waits_for_the_check_of_a_worker(
    connect, studio, project, settle, monkeypatch
):
    connect("--sampling", "uncertainty")
    settle()
    rows = Following.objects.all()
    rows.update(lease_expires_at=timezone.now() + timedelta(minutes=5))
    monkeypatch.setattr(
        connecting, "sleep", lambda _: rows.update(lease_expires_at=None)
    )
    assert "A worker is checking the project" in connect("--sampling", "label-studio")
    assert studio.order == OWN


@pytest.mark.usefixtures("password")
def test_connect_repairs_the_order_and_keeps_the_title_of_the_version(
    connect, settle, studio, project
):
    connect("--sampling", "uncertainty")
    settle()
    spoil_choice(studio)
    studio.calls.clear()
    connect("--title", "Sentiment")
    assert studio.order == by(UNTRAINED)
    assert not any(call.startswith("title") for call in studio.calls)
    connect("--sampling", "label-studio")
    assert studio.order == (["Sentiment"], "Sentiment", "Sequential sampling")


@pytest.mark.usefixtures("password")
def test_connect_finds_a_backend_that_is_titled_with_a_version(
    connect, settle, studio, project
):
    connect("--sampling", "uncertainty")
    settle()
    studio.backends[1]["url"] = "http://10.0.0.6:9090"
    project.backend_url = ""  # as in a database that was restored
    project.save()
    studio.backends[1] |= {"basic_auth_pass": ""}
    from lsml.labelstudio.connection import Backend, _ours

    backend = Backend(url=URL, versions=frozenset({UNTRAINED}))
    assert _ours(backend, list(studio.backends.values()))["id"] == 1
    assert _ours(Backend(url=URL), list(studio.backends.values())) is None


@pytest.mark.usefixtures("password")
def test_where_the_order_does_not_hold_connect_offers_a_tab_and_adds_it_once(
    connect, settle, studio, project
):
    studio.maximum_annotations = 2
    said = connect("--sampling", "uncertainty")
    assert "several annotations per task" in said
    assert "With --add-tab" in said
    assert not studio.tabs
    assert "Added the tab" in connect("--add-tab")
    assert studio.tabs[0]["data"]["ordering"] == ["tasks:predictions_score"]
    assert "There is a tab" in connect("--add-tab")
    assert len(studio.tabs) == 1


@pytest.mark.usefixtures("password")
def test_several_annotators_are_reported(connect, project):
    annotate(project, IDS[:2])
    Annotation.objects.filter(annotation_id=IDS[0]).update(completed_by=2)
    assert "2 people annotate it" in connect("--sampling", "uncertainty")


@pytest.mark.usefixtures("password")
def test_a_tab_by_score_needs_scores(connect):
    with pytest.raises(CommandError, match="--sampling uncertainty"):
        connect("--add-tab")


def test_a_tab_by_score_is_refused_before_anything_is_changed(connect, studio):
    with pytest.raises(CommandError, match="--sampling uncertainty"):
        connect("--add-tab", "--sampling", "label-studio")
    assert not studio.requests


def test_workers_order_tasks_only_in_their_own_label_studio(connect, studio, settings):
    settings.LABEL_STUDIO_URL = "https://other.example.org"
    with pytest.raises(CommandError, match=r"https://other\.example\.org"):
        connect("--sampling", "uncertainty", "--url", studio.url)
    assert not studio.requests


def test_sampling_needs_a_label_studio_that_the_workers_know(connect, settings):
    settings.LABEL_STUDIO_API_KEY = ""
    with pytest.raises(CommandError, match="for them and for this command"):
        connect("--sampling", "uncertainty", "--api-key", "k")
