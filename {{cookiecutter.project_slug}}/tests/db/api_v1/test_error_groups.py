"""/api/v1/error-groups."""

from datetime import timedelta

from django.utils import timezone

from tests.console.factory import error_group


def test_a_group_says_how_often_when_and_where(viewer, project):
    made = error_group(project)
    reply = viewer.get("/api/v1/error-groups")
    [found] = reply.json()["results"]
    assert (found["pattern"], found["count"]) == ("ValueError: empty text", 12)
    assert (found["versions"], found["example_id"]) == (["v2", "v3"], made.example_id)
    assert found["first_seen_at"] < found["last_seen_at"]


def test_they_are_filtered_by_project_source_and_time(viewer, project):
    old = timezone.now() - timedelta(days=2)
    error_group(project, "old", last_seen_at=old)
    error_group(project, "of a run", source="run")
    error_group(project, "new")

    def patterns(query):
        reply = viewer.get(f"/api/v1/error-groups?{query}")
        return [row["pattern"] for row in reply.json()["results"]]

    today = (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert patterns("source=run") == ["of a run"]
    assert patterns(f"since={today}") == ["new", "of a run"]
    assert patterns(f"project_pk={project.pk + 1}") == []


def test_nobody_changes_them(operator, project):
    made = error_group(project)
    for method in ("post", "put", "delete"):
        send = getattr(operator, method)
        assert send(f"/api/v1/error-groups/{made.pk}").status_code == 405
