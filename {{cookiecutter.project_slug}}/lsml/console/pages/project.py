"""A project: what it serves, its versions, its runs, its policy."""

from typing import Any

from django.http import HttpRequest

from lsml.registry.models import Project


def project_context(request: HttpRequest, found: Project) -> dict[str, Any]:
    """Versions, runs and promotions, newest first."""
    return {
        "versions": list(found.versions.order_by("-number")[:20]),
        "runs": list(found.runs.order_by("-pk")[:10]),
        "promotions": list(
            found.promotions.select_related("from_version", "to_version").order_by(
                "-pk"
            )[:10]
        ),
    }
