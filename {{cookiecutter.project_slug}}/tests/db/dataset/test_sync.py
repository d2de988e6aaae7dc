"""A sync makes the dataset equal to Label Studio and reports the differences."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lsml.audit.models import AuditEntry
from lsml.dataset.management.commands import sync as command
from lsml.dataset.models import Annotation, Sync, Task
from lsml.dataset.sync import catch_up, sync_project
from lsml.labelstudio.failures import LabelStudioError, Unreachable

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CONFIG = "<View><Text name='t' value='$t'/><Choices name='c' toName='t'/></View>"


def iso(minutes):
    return (NOON + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


class FakeStudio:
    """A project with tasks, listed as Label Studio lists them."""

    url = "http://studio.example"

    def __init__(self, count=5):
        self.tasks = {}
        self.breaks_after = None  # pages
        self.between = lambda page: None
        for number in range(1, count + 1):
            self.add(number)

    def add(self, number, **fields):
        self.tasks[number] = {
            "id": number, "data": {"text": f"text {number}"}, "meta": {},
            "created_at": iso(0), "updated_at": iso(0), "annotations": [],
        } | fields  # fmt: skip

    def annotate(self, task, number, minutes=1, **fields):
        annotation = {
            "id": number, "task": task, "result": [{"value": {"choices": ["A"]}}],
            "was_cancelled": False, "completed_by": 1, "lead_time": 2.5,
            "created_at": iso(1), "updated_at": iso(minutes),
        } | fields  # fmt: skip
        kept = [
            each for each in self.tasks[task]["annotations"] if each["id"] != number
        ]
        self.tasks[task]["annotations"] = [*kept, annotation]
        self.tasks[task]["updated_at"] = iso(minutes)

    def project(self, project_id):
        return {
            "id": project_id, "created_at": iso(0), "title": "P",
            "label_config": CONFIG, "task_number": len(self.tasks),
        }  # fmt: skip

    def pages(self, project_id, *, after=0, since=None, page_size=200):
        listed = [
            task
            for number, task in sorted(self.tasks.items())
            if number > after
            and (not since or datetime.fromisoformat(task["updated_at"]) >= since)
        ]
        pages = range(0, len(listed), page_size)
        for position, start in enumerate(pages):
            if position == self.breaks_after:
                raise Unreachable(url=self.url, reason=OSError("gone"))
            page = listed[start : start + page_size]
            self.between(position)
            yield page, max(0, len(listed) - start - page_size)


@pytest.fixture
def studio():
    return FakeStudio()


def run(studio, **options):
    return sync_project(studio=studio, labelstudio_id=1, actor="test", **options)


def alive(model):
    key = f"{model._meta.model_name}_id"
    rows = model.objects.filter(deleted_at__isnull=True).order_by(key)
    return list(rows.values_list(key, flat=True))


def test_an_empty_dataset_is_filled_and_a_second_sync_finds_no_difference(studio):
    studio.annotate(2, 10)
    report = run(studio, page_size=2)
    assert report.differences == {"tasks added": 5, "annotations added": 1}
    assert alive(Task) == [1, 2, 3, 4, 5]
    annotation = Annotation.objects.get()
    assert annotation.task_id == 2
    assert annotation.result == studio.tasks[2]["annotations"][0]["result"]
    assert annotation.lead_time == 2.5
    assert run(studio, page_size=2).differences == {}


def test_changed_task_data_is_stored(studio):
    run(studio)
    studio.add(3, data={"text": "corrected"}, updated_at=iso(5))
    assert run(studio).differences == {"tasks changed": 1}
    assert Task.objects.get(task_id=3).data == {"text": "corrected"}


def test_an_annotation_that_became_a_draft_is_removed(studio):
    studio.annotate(2, 10)
    studio.annotate(2, 11)
    run(studio)
    studio.tasks[2]["annotations"].pop()
    assert run(studio).differences == {"annotations removed": 1}
    assert alive(Annotation) == [10]


def test_a_changed_annotation_is_stored(studio):
    studio.annotate(2, 10)
    run(studio)
    studio.annotate(2, 10, minutes=9, was_cancelled=True)
    assert run(studio).differences == {"annotations changed": 1}
    assert not Annotation.objects.trainable().exists()


def test_deletion_of_all_tasks_is_noticed(studio):
    studio.annotate(2, 10)
    run(studio)
    studio.tasks.clear()
    report = run(studio)
    assert report.differences == {"tasks removed": 5, "annotations removed": 1}
    assert alive(Task) == alive(Annotation) == []


@pytest.mark.parametrize("gone", [1, 3, 5])
def test_a_deleted_task_is_noticed_at_any_position(studio, gone):
    run(studio)
    del studio.tasks[gone]
    assert run(studio, page_size=2).differences == {"tasks removed": 1}


def test_an_empty_list_for_a_project_with_tasks_removes_nothing(studio):
    run(studio)
    studio.pages = lambda *_, **__: iter(())
    with pytest.raises(LabelStudioError, match="lists no task"):
        run(studio)
    assert len(alive(Task)) == 5


def test_a_row_wrongly_marked_deleted_is_restored(studio):
    studio.annotate(2, 10)
    run(studio)
    Annotation.objects.update(deleted_at=NOON)
    assert run(studio).differences == {"annotations restored": 1}
    assert alive(Annotation) == [10]


def test_a_reused_id_is_another_annotation(studio):
    studio.annotate(2, 10)
    run(studio)
    studio.tasks[2]["annotations"] = []
    studio.annotate(3, 10, minutes=5, created_at=iso(5))
    report = run(studio)
    assert report.differences == {"annotations removed": 1, "annotations added": 1}
    assert Annotation.objects.get().task_id == 3
    Annotation.objects.update(deleted_at=NOON)
    studio.annotate(4, 10, minutes=7, created_at=iso(7))
    assert run(studio).differences["annotations added"] == 1
    assert alive(Annotation) == [10]


def test_a_deletion_that_arrives_while_pages_are_fetched_stays(studio):
    studio.annotate(2, 10)
    run(studio)
    studio.between = lambda page: Annotation.objects.update(deleted_at=NOON)
    assert run(studio).differences == {}
    assert alive(Annotation) == []


def test_an_annotation_that_arrives_while_pages_are_fetched_stays(studio):
    run(studio)
    project = Task.objects.first().project

    def event(page):
        Annotation.objects.create(
            project=project, annotation_id=12, task_id=2, updated_at=NOON
        )

    studio.between = event
    assert run(studio).differences == {}
    assert alive(Annotation) == [12]


def test_a_newer_state_from_an_event_is_not_overwritten(studio):
    studio.annotate(2, 10, minutes=1)
    run(studio)
    newer = NOON + timedelta(minutes=30)
    Annotation.objects.update(result=["newer"], updated_at=newer)
    assert run(studio).differences == {}
    assert Annotation.objects.get().result == ["newer"]


@pytest.mark.parametrize("date", ["yesterday", 7, None, "9999-12-31T23:59:59-23:59"])
def test_an_unreadable_date_counts_as_oldest_and_never_stops_a_sync(studio, date):
    studio.add(6, created_at=date, updated_at=date)
    studio.annotate(2, 10, created_at=date)
    studio.tasks[2]["annotations"][0]["updated_at"] = date
    report = run(studio)
    assert report.differences == {"tasks added": 6, "annotations added": 1}
    assert run(studio).differences == {}
    studio.tasks[2]["annotations"][0]["was_cancelled"] = True
    assert run(studio).differences == {"annotations changed": 1}


def test_parts_of_an_annotation_that_cannot_be_used_are_left_out(studio):
    unusable = {"result": "x", "lead_time": "long", "parent_prediction": []}
    studio.annotate(2, 10, completed_by={"id": 4}, **unusable)
    studio.tasks[3]["annotations"] = ["x", {"id": None}, {}]
    assert run(studio).differences["annotations added"] == 1
    annotation = Annotation.objects.get()
    assert (annotation.result, annotation.lead_time) == ([], None)
    assert (annotation.completed_by, annotation.parent_prediction) == (4, None)


def test_an_interrupted_sync_resumes_after_its_last_page(studio):
    studio.breaks_after = 2
    with pytest.raises(Unreachable):
        run(studio, page_size=2)
    assert alive(Task) == [1, 2, 3, 4]
    studio.breaks_after = None
    report = run(studio, page_size=2)
    assert report.resumed_after == 4
    assert report.tasks == 1
    assert report.differences == {"tasks added": 5}
    assert Sync.objects.get().finished_at


def test_restart_starts_from_the_first_task(studio):
    studio.breaks_after = 1
    with pytest.raises(Unreachable):
        run(studio, page_size=2)
    studio.breaks_after = None
    assert run(studio, restart=True).tasks == 5


def test_since_reads_changed_tasks_only_and_removes_none(studio):
    run(studio)
    studio.annotate(4, 10, minutes=5)
    report = run(studio, since=NOON + timedelta(minutes=2))
    assert report.tasks == 1
    assert report.differences == {"annotations added": 1}
    assert len(alive(Task)) == 5


def test_catching_up_fetches_changes_since_the_newest_known_task(studio):
    studio.annotate(2, 9, minutes=3)
    project = run(studio).project
    studio.annotate(5, 10, minutes=8)
    report = catch_up(studio=studio, project=project, everything=False)
    assert report.differences == {"annotations added": 1}
    assert report.tasks == 2  # the newest known one is looked at again
    del studio.tasks[1]
    report = catch_up(studio=studio, project=project, everything=True)
    assert report.differences == {"tasks removed": 1}


def test_a_sync_is_recorded_with_its_differences(studio):
    run(studio)
    entry = AuditEntry.objects.get(verb="dataset synced")
    assert entry.actor == "test"
    assert entry.detail == {"tasks": 5, "differences": {"tasks added": 5}}


def test_masked_secrets_in_task_data_are_not_a_difference(studio):
    studio.add(6, data={"image": "http://me:geheim@host/x.png"})
    run(studio)
    assert Task.objects.get(task_id=6).data == {"image": "http://***@host/x.png"}
    assert run(studio).differences == {}


def test_a_page_costs_the_same_queries_whatever_its_size(
    django_assert_max_num_queries,
):
    studio = FakeStudio(count=300)
    for number in studio.tasks:
        studio.annotate(number, 1000 + number)
    with django_assert_max_num_queries(60):
        run(studio, page_size=300)


def call(monkeypatch, studio, *options):
    monkeypatch.setattr(command, "LabelStudio", lambda **_: studio)
    out = StringIO()
    access = ["--url", "http://studio.example", "--api-key", "k"]
    call_command("sync", "--project", "1", *access, *options, stdout=out)
    return out.getvalue()


def test_the_command_prints_the_differences(monkeypatch, studio):
    assert "     5 tasks added" in call(monkeypatch, studio)
    assert "Nothing differed." in call(monkeypatch, studio)


def test_the_command_names_the_next_step(monkeypatch, studio):
    studio.breaks_after = 0
    with pytest.raises(CommandError, match="Next step: Check the address"):
        call(monkeypatch, studio)


def test_the_command_requires_the_address_of_label_studio(settings):
    settings.LABEL_STUDIO_URL = ""
    with pytest.raises(CommandError, match="LABEL_STUDIO_URL"):
        call_command("sync", "--project", "1", "--url", "")
