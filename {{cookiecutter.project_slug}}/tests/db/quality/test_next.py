"""The tasks of a project to label next, by each strategy."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from lsml.dataset.models import Annotation, Task
from lsml.observability.origin import Origin
from lsml.quality.next import rankings, reads, services
from lsml.quality.next.services import Strategy, next_tasks
from lsml.registry.label_studio import task_address
from lsml.registry.models import ModelVersion, Project
from tests.db.audit.rows import predict
from tests.db.conftest import CONFIG

pytestmark = pytest.mark.django_db
SPANS = (
    '<View><Text name="text" value="$text"/><Labels name="who" toName="text">'
    '<Label value="PER"/></Labels></View>'
)


@pytest.fixture
def project():
    """A project that serves v2, without any task."""
    made = Project.objects.create(
        labelstudio_id=7, label_config=CONFIG, hostname="https://labels.example.com/"
    )
    for number in (1, 2):
        made.active_version = ModelVersion.objects.create(
            project=made,
            number=number,
            version=f"v{number}",
            created_at=timezone.now(),
        )
    made.save()
    return made


def known(project, *texts, first=1):
    """Make tasks with these texts, with IDs from `first` on."""
    Task.objects.bulk_create(
        Task(
            project=project,
            task_id=number,
            data={"text": text},
            updated_at=timezone.now(),
        )
        for number, text in enumerate(texts, start=first)
    )


def label(project, *task_ids, **facts):
    Annotation.objects.bulk_create(
        Annotation(
            project=project,
            annotation_id=1000 + task_id,
            task_id=task_id,
            updated_at=timezone.now(),
            **facts,
        )
        for task_id in task_ids
    )


def choice(*labels):
    value = {"choices": list(labels)}
    return [{"from_name": "s", "to_name": "text", "type": "choices", "value": value}]


def predicted(project, task_id, score=0.5, version="v2", said="Positive", **facts):
    [row] = predict(
        project_pk=project.pk,
        task_id=task_id,
        score=score,
        model_version=version,
        result=choice(said) if isinstance(said, str) else said,
        **facts,
    )
    return row


def listed(project, strategy=Strategy.UNCERTAINTY, limit=10):
    origin = Origin(request_id="test-request", client="test")
    return next_tasks(project=project, limit=limit, origin=origin, strategy=strategy)


def ranked(project, strategy=Strategy.UNCERTAINTY, limit=10):
    """Return the IDs of the tasks, best first."""
    found = listed(project, strategy, limit)
    return [task.task_id for task in found.results]


def notes(project, strategy=Strategy.UNCERTAINTY):
    return " ".join(listed(project, strategy).notes)


# --- Any strategy ---


@pytest.mark.parametrize("strategy", Strategy)
def test_without_tasks_it_says_how_to_fetch_them(project, strategy):
    assert ranked(project, strategy) == []
    assert "Run manage.py sync --project 7" in notes(project, strategy)


@pytest.mark.parametrize("strategy", Strategy)
def test_with_all_tasks_labelled_it_says_so(project, strategy):
    known(project, "a", "b")
    label(project, 1, 2)
    assert "All tasks that are known here are labelled." in notes(project, strategy)
    assert "Run manage.py sync --project 7" in notes(project, strategy)


def give_all_to_rank(project):
    """Six tasks that each strategy could list; only 1, 5 and 6 are unlabelled."""
    known(project, "red", "green", "blue", "yellow", "white", "black")
    for task_id in range(1, 7):
        predicted(project, task_id, version="v1", said="Positive")
        predicted(project, task_id, version="v2", said="Negative")
    label(project, 2, 3)
    Task.objects.filter(task_id=4).update(deleted_at=timezone.now())
    label(project, 5, was_cancelled=True)
    label(project, 6, deleted_at=timezone.now())


@pytest.mark.parametrize("strategy", Strategy)
def test_tasks_that_are_labelled_or_deleted_are_left_out(project, strategy):
    give_all_to_rank(project)
    assert sorted(ranked(project, strategy)) == [1, 5, 6]


@pytest.mark.parametrize("strategy", Strategy)
def test_at_most_n_tasks_are_listed(project, strategy):
    give_all_to_rank(project)
    assert len(ranked(project, strategy, limit=2)) == 2


@pytest.mark.parametrize("strategy", Strategy)
def test_other_projects_do_not_count(project, strategy):
    give_all_to_rank(project)
    other = Project.objects.create(labelstudio_id=8, label_config=CONFIG)
    known(other, "orange", first=60)
    label(other, 1)
    predicted(other, 1, score=0.0)
    assert sorted(ranked(project, strategy)) == [1, 5, 6]


@pytest.mark.parametrize("strategy", Strategy)
def test_the_number_of_queries_does_not_grow_with_the_tasks(
    project, strategy, django_assert_max_num_queries
):
    known(project, *(f"text {number}" for number in range(1, 41)))
    for task_id in range(1, 41):
        predicted(project, task_id, version="v1", said="Positive")
        predicted(project, task_id, version="v2", said="Negative")
    with django_assert_max_num_queries(14):
        assert len(ranked(project, strategy, limit=40)) == 40


def test_each_task_has_its_address_in_label_studio(project):
    give_all_to_rank(project)
    task = listed(project, limit=1).results[0]
    page = f"https://labels.example.com/projects/7/data?task={task.task_id}"
    assert task.address == page


def test_an_address_that_is_no_web_address_is_not_offered(project, settings):
    project.hostname = "javascript:alert(1)//"
    assert task_address(project, 1) == ""


def test_without_a_host_name_the_configured_label_studio_is_linked(project, settings):
    project.hostname, settings.LABEL_STUDIO_URL = "", "http://studio:8080"
    assert task_address(project, 3) == "http://studio:8080/projects/7/data?task=3"


def test_it_says_if_there_are_more_tasks_than_it_looks_at(project, monkeypatch):
    monkeypatch.setattr(services, "_CANDIDATES_MAX", 2)
    known(project, "a", "b", "c")
    assert sorted(ranked(project, Strategy.RANDOM)) == [2, 3]
    assert "Only the newest 2 unlabelled tasks" in notes(project, Strategy.RANDOM)
    label(project, 1)
    assert notes(project, Strategy.RANDOM) == ""


# --- Uncertainty ---


def test_the_least_certain_tasks_come_first_with_score_and_version(project):
    known(project, "a", "b", "c")
    for task_id, score in ((1, 0.9), (2, 0.126), (3, 0.5)):
        predicted(project, task_id, score)
    found = listed(project, limit=2)
    assert [(task.task_id, task.reason) for task in found.results] == [
        (2, "score 0.13 by v2"),
        (3, "score 0.50 by v2"),
    ]
    assert found.notes == []


def test_only_the_latest_prediction_of_the_served_version_counts(project):
    known(project, "a", "b")
    predicted(project, 1, 0.1)
    predicted(project, 1, 0.9)
    predicted(project, 2, 0.5)
    predicted(project, 2, 0.95, version="v1")
    assert ranked(project) == [2, 1]


def test_what_an_annotator_asked_for_while_drawing_does_not_count(project):
    known(project, "a", "b")
    predicted(project, 1, 0.9)
    predicted(project, 1, 0.0, kind="interactive", context={"result": []})
    predicted(project, 2, 0.5)
    assert ranked(project) == [2, 1]


def test_an_error_does_not_hide_the_prediction_before(project):
    known(project, "a")
    predicted(project, 1, 0.9)
    predicted(project, 1, None, outcome="error", said=None, error="it broke")
    assert ranked(project) == [1]


def test_without_predictions_it_says_how_to_make_them(project):
    known(project, "a")
    predicted(project, 1, version="v1")
    assert ranked(project) == []
    assert "v2 has predicted no unlabelled task" in notes(project)
    assert "run manage.py predict --project 7" in notes(project)


def test_it_says_how_many_tasks_lack_a_prediction(project):
    known(project, "a", "b", "c")
    predicted(project, 1)
    assert "2 of 3 unlabelled tasks have no recent prediction of v2" in notes(project)


def test_predictions_without_a_score_are_left_out_and_counted(project):
    known(project, "a", "b")
    predicted(project, 1, None)
    predicted(project, 2, 0.5)
    assert ranked(project) == [2]
    assert notes(project) == (
        "Predictions by v2 without a score: 1. Their tasks are left out. See"
        " docs/sdk.md, Scores."
    )


def test_only_the_newest_predictions_are_read(project, monkeypatch):
    monkeypatch.setattr(reads, "PREDICTIONS_MAX", 2)
    known(project, "a", "b", "c")
    for task_id in (1, 2, 3):
        predicted(project, task_id)
    assert sorted(ranked(project)) == [2, 3]


@pytest.mark.parametrize("facts", [{"kind": "shadow"}, {"outcome": "error"}])
def test_predictions_that_do_not_count_take_no_room_from_those_that_do(
    project, monkeypatch, facts
):
    monkeypatch.setattr(reads, "PREDICTIONS_MAX", 2)
    known(project, "a", "b")
    predicted(project, 1)
    predicted(project, 2)
    for _ in range(3):
        predicted(project, 2, **facts)
    assert sorted(ranked(project)) == [1, 2]


# --- Diversity ---


def test_the_text_that_resembles_least_what_is_labelled_comes_first(project):
    known(project, "the parcel is late", "the parcel is lost", "my invoice is wrong")
    known(project, "where is the parcel", first=4)
    label(project, 1)
    found = listed(project, Strategy.DIVERSE, limit=1)
    [task] = found.results
    assert task.task_id == 3
    assert task.reason == "represents 33 % of the unlabelled tasks"
    assert [note for note in found.notes if "by wording, than anything" in note]


def test_a_near_copy_of_what_is_listed_comes_late(project):
    known(project, "refund", "my parcel is late", "my parcel is late!", "app crashes")
    label(project, 1)
    assert set(ranked(project, Strategy.DIVERSE)[:2]) in ({2, 4}, {3, 4})


def test_with_nothing_labelled_the_first_text_is_a_typical_one(project):
    known(project, "a parcel came", "the parcel is late", "the parcel is lost", "zzz")
    found = listed(project, Strategy.DIVERSE, limit=4)
    assert found.results[0].task_id in {2, 3}


def test_the_text_is_what_the_label_config_shows(project):
    project.label_config = CONFIG.replace("$text", "$mail.body")
    Task.objects.bulk_create(
        Task(
            project=project,
            task_id=number,
            data={"mail": {"body": body}, "text": f"{number}" * 9},
            updated_at=timezone.now(),
        )
        for number, body in enumerate(("same old text", "same old text", "new"), 1)
    )
    label(project, 1)
    assert ranked(project, Strategy.DIVERSE, limit=1) == [3]


@pytest.mark.parametrize(
    "values",
    [["9" * 25], [".".join("a" * 400)], [f"text{n}" for n in range(2_000)]],
    ids=["a large number", "a long path", "many tags"],
)
def test_any_paths_of_a_label_config_can_be_read(project, values):
    tags = "".join(
        f'<Text name="t{at}" value="${value}"/>' for at, value in enumerate(values)
    )
    project.label_config = CONFIG.replace("<Choices", f"{tags}<Choices", 1)
    known(project, None)
    assert "No unlabelled task has a text." in notes(project, Strategy.DIVERSE)


def test_a_label_config_without_text_is_named_as_the_reason(project):
    known(project, "a")
    project.label_config = CONFIG.replace("<Text", "<Image")
    assert ranked(project, Strategy.DIVERSE) == []
    assert "The label config shows no text" in notes(project, Strategy.DIVERSE)


def test_tasks_whose_text_is_missing_or_an_address_are_not_listed(project):
    known(project, "https://example.com/a.txt", "", None, "a text")
    Task.objects.filter(task_id=3).update(data={})
    assert ranked(project, Strategy.DIVERSE) == [4]
    Task.objects.filter(task_id=4).delete()
    assert "No unlabelled task has a text." in notes(project, Strategy.DIVERSE)


def test_a_copy_of_what_is_labelled_comes_last(project):
    known(project, "my parcel is late", "refund", "my parcel is late")
    label(project, 1)
    found = listed(project, Strategy.DIVERSE, limit=2)
    assert [task.task_id for task in found.results] == [2, 3]
    assert found.results[1].reason == "represents no other task"


def test_it_says_if_more_texts_are_there_than_are_compared(project, monkeypatch):
    monkeypatch.setattr(rankings, "_COMPARED_MAX", 2)
    known(project, "red", "green", "blue")
    assert sorted(ranked(project, Strategy.DIVERSE)) == [2, 3]
    assert "Only the newest 2" in notes(project, Strategy.DIVERSE)
    label(project, 1)
    assert "Only the newest" not in notes(project, Strategy.DIVERSE)


def test_it_says_if_more_labelled_tasks_are_there_than_are_compared(
    project, monkeypatch
):
    monkeypatch.setattr(rankings, "_LABELLED_MAX", 2)
    known(project, "red", "green", "", "blue")
    label(project, 2, 3)
    assert "labelled tasks only" not in notes(project, Strategy.DIVERSE)
    label(project, 1)
    assert "the newest 2 labelled tasks only" in notes(project, Strategy.DIVERSE)


# --- Disagreement ---


def test_the_reason_is_what_each_version_says(project):
    known(project, "a", "b")
    for task_id, said in ((1, "Positive"), (2, "Negative")):
        predicted(project, task_id, version="v1", said=said)
        predicted(project, task_id, version="v2", said="Negative")
    found = listed(project, Strategy.DISAGREEMENT, limit=5)
    assert [(task.task_id, task.reason) for task in found.results] == [
        (1, "v2 says Negative, v1 says Positive")
    ]


def test_the_less_regions_agree_the_earlier_a_task_comes(project):
    project.label_config = SPANS
    project.save()
    known(project, "a", "b")

    def spans(*starts):
        value = {"end": 99, "labels": ["PER"]}
        region = {"from_name": "who", "to_name": "text", "type": "labels"}
        return [{**region, "value": {**value, "start": at}} for at in starts]

    predicted(project, 1, version="v1", said=spans(1, 2, 3))
    predicted(project, 1, version="v2", said=spans(1, 2, 4))
    predicted(project, 2, version="v1", said=spans(1, 2, 3))
    predicted(project, 2, version="v2", said=spans(4, 5, 6))
    found = listed(project, Strategy.DISAGREEMENT, limit=5)
    assert [(task.task_id, task.reason) for task in found.results] == [
        (2, "the regions of v2 and v1 differ by 100 %"),
        (1, "the regions of v2 and v1 differ by 33 %"),
    ]


def test_where_all_versions_agree_it_says_so(project):
    known(project, "a")
    predicted(project, 1, version="v1")
    predicted(project, 1, version="v2")
    assert notes(project, Strategy.DISAGREEMENT) == (
        "Compared tasks: 1. v2 and v1 agree on all of them."
    )


def test_with_predictions_of_one_version_it_says_what_is_missing(project):
    known(project, "a")
    predicted(project, 1)
    assert "only v2 has any" in notes(project, Strategy.DISAGREEMENT)
    assert "manage.py predict --project 7" in notes(project, Strategy.DISAGREEMENT)


def test_results_are_compared_for_the_least_certain_tasks(project, monkeypatch):
    monkeypatch.setattr(rankings, "_CONTESTED_MAX", 1)
    known(project, "a", "b")
    for task_id, score in ((1, 0.2), (2, 0.9)):
        predicted(project, task_id, version="v1", said="Positive")
        predicted(project, task_id, score, version="v2", said="Negative")
    assert ranked(project, Strategy.DISAGREEMENT) == [1]
    assert "Only the 1 least certain" in notes(project, Strategy.DISAGREEMENT)
    label(project, 2)
    assert notes(project, Strategy.DISAGREEMENT) == ""


# --- Random ---


def test_a_random_sample_stays_the_same_and_differs_between_projects(project):
    other = Project.objects.create(labelstudio_id=8, label_config=CONFIG)
    for each in (project, other):
        known(each, *"abcdefghijklmnopqrst")
    sample = ranked(project, Strategy.RANDOM, limit=20)
    assert sample == ranked(project, Strategy.RANDOM, limit=20)
    assert sample not in (sorted(sample), sorted(sample, reverse=True))
    assert sample != ranked(other, Strategy.RANDOM, limit=20)


# --- The command ---


def run(**options):
    output, errors = StringIO(), StringIO()
    call_command("next", project=7, stdout=output, stderr=errors, **options)
    return output.getvalue(), errors.getvalue()


def test_the_command_prints_rank_task_reason_and_address(project):
    known(project, "a", "b")
    predicted(project, 1, 0.9)
    predicted(project, 2, 0.1)
    lines = run()[0].splitlines()
    assert [line.split(maxsplit=2)[:2] for line in lines] == [["1", "2"], ["2", "1"]]
    assert "score 0.10 by v2" in lines[0]
    assert lines[0].endswith("https://labels.example.com/projects/7/data?task=2")


def test_the_command_prints_json(project):
    known(project, "a")
    predicted(project, 1, 0.9)
    found = json.loads(run(json=True, strategy="uncertainty", limit=5)[0])
    [task] = found["results"]
    assert (task["task_id"], task["reason"]) == (1, "score 0.90 by v2")


def test_the_command_says_what_is_missing(project):
    assert "manage.py sync --project 7" in run()[1]


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": 1_001}])
def test_the_command_refuses_a_useless_number(project, options):
    with pytest.raises(CommandError, match="from 1 to 1000"):
        run(**options)


def test_the_command_refuses_an_unknown_project(db):
    with pytest.raises(CommandError, match="not known here"):
        run()
