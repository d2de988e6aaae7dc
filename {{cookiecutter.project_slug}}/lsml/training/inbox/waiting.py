"""What waits in a project's inbox, counted for the policy."""

from django.db.models import Count, Max, Min, Q, Sum

from lsml.labelstudio.webhooks import START_TRAINING
from lsml.registry.models import Project
from lsml.training.inbox.policy import Waiting
from lsml.training.models import InboxEntry


def waiting_of(project: Project) -> Waiting:
    """What waits, for the policy to look at; one query."""
    fresh = Q(held=False)
    entries = InboxEntry.objects.filter(project=project, payload_missing=False)
    counted = entries.aggregate(
        fresh=Count("pk", filter=fresh),
        annotations=Sum("annotations", default=0),
        training_requests=Count("pk", filter=fresh & Q(action=START_TRAINING)),
        oldest_at=Min("received_at", filter=fresh),
        newest_at=Max("received_at", filter=fresh),
    )
    return Waiting(asked=counted.pop("training_requests") > 0, **counted)
