"""The counts of checked answers."""

from tests.console.factory import answer_check


def test_the_counts_of_a_version_are_listed_with_an_example(viewer, project):
    answer_check(project, "v1", checked=500, invalid=0)
    answer_check(project, "v3", checked=500, invalid=12)
    reply = viewer.get("/api/v1/answer-checks?labelstudio_id=41&model_version=v3")
    [row] = reply.json()["results"]
    assert (row["project_pk"], row["model_version"]) == (project.pk, "v3")
    assert (row["checked"], row["invalid"], row["example_task_id"]) == (500, 12, 101)
    assert row["example_reason"].startswith("Score must be between")
