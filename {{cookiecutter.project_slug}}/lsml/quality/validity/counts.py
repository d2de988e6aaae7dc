"""Reads the counts of checked answers: for pages and for Prometheus."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db.models import OuterRef, Subquery, Sum, Value
from django.db.models.functions import Coalesce, JSONObject
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily

from lsml.quality.validity.models import AnswerCheck
from lsml.registry.models import INITIAL_VERSION, Project

_RECENT: Final = timedelta(hours=24)


def check_of(project: Project, version: str) -> AnswerCheck | None:
    """Return the counts of a version; None if no answer of it was checked."""
    return AnswerCheck.objects.filter(project=project, model_version=version).first()


def invalid_answers_of_served(now: datetime) -> Subquery:
    """Return the counts of the served version, to annotate projects with.

    They are a dictionary with `invalid` and `checked`; None if the version gave no
    invalid answer in the last 24 hours.
    """
    served = Coalesce(OuterRef("active_version__version"), Value(INITIAL_VERSION))
    recent = AnswerCheck.objects.filter(
        project=OuterRef("pk"),
        model_version=served,
        last_invalid_at__gte=now - _RECENT,
    )
    counts = JSONObject(invalid="invalid", checked="checked")
    return Subquery(recent.values(counts=counts))


def answer_metrics() -> Iterator[Metric]:
    """Yield the counts for Prometheus.

    Only of versions whose answers were checked in the last 24 hours: each training adds
    a version, and Prometheus would keep a time series for each.
    """
    labels = ["project", "version"]
    checked = CounterMetricFamily(
        "lsml_answers_checked_total",
        "Live answers that were checked against the label config",
        labels=labels,
    )
    invalid = CounterMetricFamily(
        "lsml_answers_invalid_total",
        "Checked answers that do not fit the label config",
        labels=labels,
    )
    recent = AnswerCheck.objects.filter(last_checked_at__gte=timezone.now() - _RECENT)
    # Label Studio reuses project IDs, so several of our projects may have one.
    for project, version, all_checked, all_invalid in (
        recent.values_list("project__labelstudio_id", "model_version")
        .annotate(Sum("checked"), Sum("invalid"))
        .order_by("project__labelstudio_id", "model_version")
    ):
        checked.add_metric([str(project), version], all_checked)
        invalid.add_metric([str(project), version], all_invalid)
    yield from (checked, invalid)
