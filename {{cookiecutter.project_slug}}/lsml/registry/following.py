"""Wakes a worker to bring predictions and Label Studio's order up to what is served.

What it then does is in `lsml/inference/following/`. A lost message costs a minute: beat
has all projects checked.
"""

from functools import partial
from typing import Final

from django.db import transaction

from lsml.jobs.notify import notify
from lsml.registry.models import Project

FOLLOW: Final = "lsml.inference.tasks.follow"
FOLLOWING_FIELDS: Final = {"predict_on_promotion", "sampling"}


def is_followed(project: Project) -> bool:
    """Whether anything is to follow the promotions of the project."""
    return (
        project.predict_on_promotion != Project.PredictOnPromotion.NONE
        or project.sampling == Project.Sampling.UNCERTAINTY
    )


def wake_follower(project: Project) -> None:
    """Have a worker check the project after the transaction commits."""
    transaction.on_commit(partial(notify, FOLLOW, project.pk))
