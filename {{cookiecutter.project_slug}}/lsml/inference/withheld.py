"""Tasks whose predictions are recorded, but not sent to Label Studio.

People who see a suggestion agree with it more often. On these tasks annotators see
none, so how well they agree with the predictions is not influenced by suggestions.
"""

from collections.abc import Iterable

from lsml.audit.models import Prediction
from lsml.dataset.share import in_share


def is_withheld(project_pk: int, task_id: int, percent: int) -> bool:
    """Return whether a task belongs to the share, always the same ones.

    Independent of which tasks are held out.
    """
    return in_share(f"withheld:{project_pk}:{task_id}", percent)


def withheld_among(
    task_ids: Iterable[int | None], *, project_pk: int, percent: int
) -> frozenset[int]:
    """Return those of the tasks that belong to the share."""
    if not percent:
        return frozenset()
    return frozenset(
        task_id
        for task_id in task_ids
        if task_id is not None and is_withheld(project_pk, task_id, percent)
    )


def recorded_among(
    task_ids: Iterable[int], *, project_pk: int, version: str
) -> set[int]:
    """Return those of the tasks that a version predicted without being shown."""
    rows = Prediction.objects.filter(
        project_pk=project_pk,
        task_id__in=list(task_ids),
        model_version=version,
        withheld=True,
    )
    return {task_id for task_id in rows.values_list("task_id", flat=True) if task_id}
