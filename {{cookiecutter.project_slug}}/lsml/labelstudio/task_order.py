"""Has Label Studio serve the tasks with the lowest scores first.

Label Studio orders by the predictions whose version is `project.model_version`, and
shows their scores in the data manager. While a backend is to answer as well, that has
to be the backend's title. So the backend is titled with the version.

Source: Label Studio 1.23.2, `projects/functions/next_task.py`, `ml/models.py` and
`data_manager/managers.py`. See `docs/label-studio.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from lsml.labelstudio.backends import best_at, remove_duplicates
from lsml.labelstudio.failures import LabelStudioError
from lsml.labelstudio.reading import as_dict

if TYPE_CHECKING:
    from lsml.labelstudio.client import LabelStudio
    from lsml.labelstudio.reading import JsonObject

UNCERTAINTY: Final = "Uncertainty sampling"
SEQUENTIAL: Final = "Sequential sampling"  # Label Studio's default

TAB_TITLE: Final = "Least certain first"
_BY_SCORE: Final = ["tasks:predictions_score"]


class NotConnected(LabelStudioError):
    """The project has no backend at the address of this service."""

    def __init__(self, *, url: str) -> None:
        super().__init__(
            f"The project in Label Studio has no backend at {url}."
            if url
            else "This service did not connect the project, so it does not know its own"
            " address there.",
            "Run `manage.py connect` for the project.",
        )


@dataclass(frozen=True, slots=True)
class Order:
    """What decides in which order Label Studio serves tasks."""

    title: str  # of this service's backend; with UNCERTAINTY also `model_version`
    sampling: str


def keep_order(
    studio: LabelStudio, project_id: int, *, url: str, order: Order
) -> list[str]:
    """Bring title, `model_version` and sampling to what they should be.

    Also removes other backends at our address. Changes nothing that is right.

    Args:
        studio: the Label Studio of the project.
        project_id: Label Studio's project ID.
        url: of this service, as it is registered there.
        order: what should be.

    Returns:
        What was changed, in words.

    Raises:
        LabelStudioError: a step failed; those before it are done.
    """
    known = studio.backends(project_id)
    best = best_at(url, known, title=order.title)
    if best is None:
        raise NotConnected(url=url)
    removed = remove_duplicates(studio, best, known)
    changes = [f"second backend “{title}” removed" for title in removed]
    if best["title"] != order.title:
        studio.change_backend(
            cast("int", best["id"]), _retitled(best, project_id, order.title)
        )
        changes.append(f"title “{best['title']}” → “{order.title}”")
    # Read now, because both steps may change it.
    project = studio.project(project_id)
    wanted: JsonObject = {"sampling": order.sampling}
    if order.sampling == UNCERTAINTY:
        wanted["model_version"] = order.title
    wrong = {name: new for name, new in wanted.items() if project.get(name) != new}
    if wrong:
        studio.change_project(project_id, wrong)
        changes += [
            f"{name} “{project.get(name) or ''}” → “{new}”"
            for name, new in wrong.items()
        ]
    return changes


def _retitled(backend: JsonObject, project_id: int, title: str) -> JsonObject:
    """Return the fields for another title.

    Label Studio checks the address and the credentials of every change. It takes an
    empty password for the stored one, so this process does not have to know it.
    """
    fields: JsonObject = {
        "project": project_id,
        "url": backend["url"],
        "title": title,
        "auth_method": backend.get("auth_method") or "NONE",
    }
    if fields["auth_method"] == "BASIC_AUTH":
        fields |= {
            "basic_auth_user": backend.get("basic_auth_user"),
            "basic_auth_pass": "",
        }
    if backend.get("extra_params"):
        fields["extra_params"] = backend["extra_params"]
    return fields


def why_sampling_is_defeated(project: JsonObject, annotators: int) -> str:
    """Return why Label Studio does not serve by score in a project; "" = it does.

    Args:
        project: as Label Studio describes it.
        annotators: how many people have annotated tasks of it.
    """
    if cast("int", project.get("maximum_annotations") or 1) > 1:
        return (
            "the project wants several annotations per task, and Label Studio first"
            " serves tasks that somebody else has begun"
        )
    if annotators > 1:
        return (
            f"{annotators} people annotate it, and Label Studio serves each of them a"
            " random task, so that no two get the same one"
        )
    return ""


def add_tab(studio: LabelStudio, project_id: int) -> bool:
    """Add a tab of unlabelled tasks, lowest score first, to the data manager.

    Returns:
        False if a tab with that order exists.
    """
    for tab in studio.tabs(project_id):
        if as_dict(tab.get("data")).get("ordering") == _BY_SCORE:
            return False
    unlabelled = {
        "filter": "filter:tasks:completed_at",
        "operator": "empty",
        "type": "Datetime",
        "value": True,
    }
    studio.add_tab(
        project_id,
        {
            "title": TAB_TITLE,
            "ordering": _BY_SCORE,
            "filters": {"conjunction": "and", "items": [unlabelled]},
        },
    )
    return True
