"""A version: the model card."""

from typing import Any

from django.http import HttpRequest

from lsml.audit.models import Prediction
from lsml.console.pages.serving import compared
from lsml.dataset.models import Snapshot
from lsml.registry.models import ModelVersion


def version_context(request: HttpRequest, found: ModelVersion) -> dict[str, Any]:
    """Its metrics beside its parent's, what it learnt from and what it answered."""
    project = found.project
    predictions: Any = Prediction.objects.for_project(project.pk)
    made = predictions.filter(model_version=found.version)
    return {
        "serving": project.active_version_id == found.pk,
        "metrics": compared(
            found.parent.metrics if found.parent else {}, found.metrics
        ),
        "snapshot": Snapshot.objects.filter(
            project=project, digest=found.snapshot_digest
        ).first(),
        "promotions": list(found.promotions.select_related("from_version")[:10]),
        "predictions": list(made.newest_first()[:10]),
    }
