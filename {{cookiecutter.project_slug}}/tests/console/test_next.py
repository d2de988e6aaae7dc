"""What to label next, as a page."""

import pytest

from tests.console import factory
from tests.console.addresses import detail_page, page

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return factory.story(predictions=360)["project"]


def test_the_page_of_a_project_links_to_it(viewer, project):
    assert f'href="{page("next", project.pk)}"' in viewer.get(detail_page(project)).text


def test_the_least_certain_tasks_are_listed_with_reason_and_link(viewer, project):
    shown = viewer.get(page("next", project.pk))
    tasks = [task for task, _ in shown.context["tasks"]]
    assert len(tasks) == 50
    assert [task.reason for task in tasks] == sorted(task.reason for task in tasks)
    first = f"http://localhost:8080/projects/1/data?task={tasks[0].task_id}"
    assert f'href="{first}"' in shown.text
    assert tasks[0].reason in shown.text
    assert "text: The parcel came quickly, thank you!" in shown.text


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("diverse", "represents "),
        ("disagreement", "v3 says "),
        ("random", "picked at random"),
    ],
)
def test_each_strategy_has_its_tab(viewer, project, strategy, words):
    shown = viewer.get(page("next", project.pk), {"strategy": strategy})
    assert words in shown.text
    assert f'href="?strategy={strategy}" aria-current="page"' in shown.text


def test_who_may_predict_finds_the_way_to_it(operator, project):
    shown = operator.get(page("next", project.pk)).text
    assert f'href="{page("predict", project.pk)}"' in shown


def test_who_may_not_predict_is_not_led_there(viewer, project):
    shown = viewer.get(page("next", project.pk)).text
    assert page("predict", project.pk) not in shown


def test_an_unknown_strategy_shows_the_first_one(viewer, project):
    shown = viewer.get(page("next", project.pk), {"strategy": "<b>"})
    assert 'href="?strategy=uncertainty" aria-current="page"' in shown.text


def test_without_tasks_the_next_step_is_shown(viewer):
    of = factory.project()
    assert "manage.py sync --project 1" in viewer.get(page("next", of.pk)).text


def test_what_versions_say_is_shown_as_text(viewer, project):
    of = factory.project("Other", labelstudio_id=2)
    factory.version(of, accuracy=0.5)
    factory.promote(of, factory.version(of, accuracy=0.6), of.created_at)
    factory.known(of, of.created_at)
    nasty = "<script>alert(1)</script>"
    for n, (version, label) in enumerate((("v1", nasty), ("v2", "Good"))):
        factory.prediction(
            of,
            at=of.created_at,
            n=n,
            task_id=100,
            model_version=version,
            result=factory.choice(label),
        ).save()
    shown = viewer.get(page("next", of.pk), {"strategy": "disagreement"})
    assert nasty not in shown.text
    assert "&lt;script&gt;" in shown.text


def test_a_user_without_a_role_may_not_read_it(client, project):
    user = factory.person("nobody", "viewer")
    user.groups.clear()
    client.force_login(user)
    assert client.get(page("next", project.pk)).status_code == 403


@pytest.mark.parametrize("strategy", ["uncertainty", "diverse", "disagreement"])
def test_the_page_needs_few_queries(
    viewer, project, strategy, django_assert_max_num_queries
):
    with django_assert_max_num_queries(20):
        viewer.get(page("next", project.pk), {"strategy": strategy})
