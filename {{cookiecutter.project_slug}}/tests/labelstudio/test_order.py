"""The real Label Studio serves the tasks with the lowest scores first."""

from types import SimpleNamespace

import pytest

from tests.labelstudio.conftest import CONFIG, region
from tests.labelstudio.service import Service, wait_for
from tests.labelstudio.studio import free_port
from tests.models.scoring import UNTRAINED, score

pytestmark = [pytest.mark.labelstudio, pytest.mark.timeout(900)]
TASKS, SERVED, LOWEST, EXPECTED = 300, 50, 60, 45


@pytest.fixture(scope="module")
def scoring(lane_folder, studio):
    """The service with a model whose scores are known."""
    folder = lane_folder / "scoring"
    folder.mkdir()
    server = Service(
        folder,
        free_port(),
        LABEL_STUDIO_URL=studio.url,
        LABEL_STUDIO_API_KEY=studio.token,
        MODEL_CLASS="tests.models.scoring.ScoringModel",
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def project(studio, scoring):
    """A connected project that is known here, and trains only when told to."""
    number = studio.new_project(CONFIG, [f"text {n}" for n in range(TASKS)])
    scoring.manage("connect", "--project", str(number))
    scoring.manage("sync", "--project", str(number))
    scoring.rows("UPDATE registry_project SET training_paused = true RETURNING id")
    return number


def about(studio, project):
    [backend] = studio.call("GET", "/api/ml", project=project)
    found = studio.call("GET", f"/api/projects/{project}/")
    return backend["title"], found["model_version"], found["sampling"]


def wait_for_order(studio, project, version):
    expected = (version, version, "Uncertainty sampling")
    wait_for(
        lambda: about(studio, project) == expected,
        seconds=150,
        what=f"the order of {version}",
    )


def serve(studio, project, tasks):
    """Annotate the tasks that Label Studio serves one after the other."""
    served = []
    for _ in range(tasks):
        task = studio.call("GET", f"/api/projects/{project}/next")
        body = {"result": [region("Positive")]}
        studio.call("POST", f"/api/tasks/{task['id']}/annotations/", body=body)
        served.append(task["data"]["text"])
    return served


def lowest(texts, seed):
    return set(sorted(texts, key=lambda text: score(text, seed))[:LOWEST])


@pytest.fixture(scope="module")
def ordered(studio, scoring, project):
    """What was served with uncertainty sampling, before and after a promotion."""
    texts = {f"text {n}" for n in range(TASKS)}
    said = scoring.manage(
        "connect", "--project", str(project), "--sampling", "uncertainty"
    )
    wait_for_order(studio, project, "0.0.1")
    scores = {
        task["data"]["text"]: task["predictions_score"]
        for task in studio.tasks(project)
    }
    first = serve(studio, project, SERVED)
    scoring.manage("train", "--project", str(project), "--wait")
    wait_for_order(studio, project, "v1")
    later = {
        task["data"]["text"]: task["predictions_score"]
        for task in studio.tasks(project)
        if not task["annotations"]
    }
    second = serve(studio, project, SERVED)
    return SimpleNamespace(
        said=said,
        texts=texts,
        scores=scores,
        first=first,
        later=later,
        second=second,
    )


def test_the_first_tasks_served_are_those_with_the_lowest_scores(ordered):
    assert "0.0.1 is being predicted" in ordered.said
    found = set(ordered.first) & lowest(ordered.texts, UNTRAINED)
    assert len(found) >= EXPECTED


def test_after_a_promotion_the_order_follows_the_new_version(ordered):
    left = ordered.texts - set(ordered.first)
    assert len(set(ordered.second) & lowest(left, seed=SERVED)) >= EXPECTED
    assert len(set(ordered.second) & lowest(left, UNTRAINED)) < EXPECTED


def test_the_score_column_shows_the_scores_of_the_served_version(ordered):
    expected = {text: score(text, UNTRAINED) for text in ordered.texts}
    assert ordered.scores == pytest.approx(expected)
    left = ordered.texts - set(ordered.first)
    assert ordered.later == pytest.approx({text: score(text, SERVED) for text in left})


def test_a_tab_lists_the_unlabelled_tasks_lowest_score_first(
    ordered, studio, scoring, project
):
    said = scoring.manage("connect", "--project", str(project), "--add-tab")
    assert "Added the tab" in said
    tab = studio.call("GET", "/api/dm/views/", project=project)[-1]
    page = studio.call("GET", "/api/tasks", view=tab["id"], fields="all", page_size=400)
    texts = [task["data"]["text"] for task in page["tasks"]]
    done = set(ordered.first) | set(ordered.second)
    assert texts == sorted(ordered.texts - done, key=lambda each: score(each, SERVED))


def test_what_a_person_changed_is_put_right_and_recorded(
    ordered, studio, scoring, project
):
    [backend] = studio.call("GET", "/api/ml", project=project)
    path = f"/api/projects/{project}/"
    changes = {"model_version": "", "sampling": "Uniform sampling"}
    studio.call("PATCH", path, body=changes)
    wait_for_order(studio, project, "v1")
    body = {
        "url": backend["url"], "project": project, "title": "mine",
        "auth_method": "BASIC_AUTH", "basic_auth_user": backend["basic_auth_user"],
        "basic_auth_pass": "",
    }  # fmt: skip
    studio.call("PATCH", f"/api/ml/{backend['id']}", body=body)
    scoring.manage("connect", "--project", str(project))
    wait_for_order(studio, project, "v1")
    rows = scoring.rows(
        "SELECT actor FROM audit_auditentry WHERE verb = 'task order changed'"
    )
    assert len(rows) >= 4


def test_switched_off_title_and_sampling_are_restored(
    studio, scoring, new_scored_project
):
    number = new_scored_project
    wait_for_order(studio, number, "0.0.1")
    off = ["--project", str(number), "--sampling", "label-studio"]
    said = scoring.manage("connect", *off)
    assert "title “0.0.1” → “lsml”" in said
    assert about(studio, number) == ("lsml", "lsml", "Sequential sampling")


@pytest.fixture
def new_scored_project(studio, scoring):
    number = studio.new_project(CONFIG, [f"text {n}" for n in range(10)])
    scoring.manage("connect", "--project", str(number))
    scoring.manage("sync", "--project", str(number))
    scoring.manage("connect", "--project", str(number), "--sampling", "uncertainty")
    return number
