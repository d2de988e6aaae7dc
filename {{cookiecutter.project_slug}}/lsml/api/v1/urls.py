"""The addresses of the operators' API."""

from typing import Any

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from lsml.api.v1.alarms import AlarmViewSet
from lsml.api.v1.answer_checks import AnswerCheckViewSet
from lsml.api.v1.audit_entries import AuditEntryViewSet
from lsml.api.v1.audit_jobs import AuditJobViewSet
from lsml.api.v1.error_groups import ErrorGroupViewSet
from lsml.api.v1.evaluations import EvaluationViewSet
from lsml.api.v1.events import EventViewSet
from lsml.api.v1.next_tasks import NextTasksView
from lsml.api.v1.prediction_jobs import PredictionJobViewSet
from lsml.api.v1.prediction_problems import PredictionProblemViewSet
from lsml.api.v1.predictions import PredictionViewSet
from lsml.api.v1.projects import ProjectViewSet
from lsml.api.v1.promotions import PromotionViewSet
from lsml.api.v1.quality import QualityView
from lsml.api.v1.runs import RunViewSet
from lsml.api.v1.seals import SealViewSet
from lsml.api.v1.shadow import ShadowView
from lsml.api.v1.suspicious_annotations import (
    ConfirmAnnotationView,
    SuspiciousAnnotationsView,
)
from lsml.api.v1.tokens import TokensView, TokenView
from lsml.api.v1.versions import VersionViewSet

_OPEN: dict[str, Any] = {"authentication_classes": [], "permission_classes": []}

# Each has a list, `<name>`, and single rows, `<name>/<id>`. The last argument is also
# the name of the file that a list is exported to.
router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("predictions", PredictionViewSet, "predictions")  # …/<id>/explain
router.register("events", EventViewSet, "events")
router.register("audit-entries", AuditEntryViewSet, "audit-entries")
router.register("projects", ProjectViewSet, "projects")  # …/<id>/policy
router.register("promotions", PromotionViewSet, "promotions")
router.register("versions", VersionViewSet, "versions")  # …/promote, …/shadow
router.register("answer-checks", AnswerCheckViewSet, "answer-checks")
router.register("alarms", AlarmViewSet, "alarms")  # …/<id>/acknowledge
router.register("error-groups", ErrorGroupViewSet, "error-groups")
# The kinds of jobs: …/<id>/cancel, …/<id>/retry, …/<id>/log
router.register("runs", RunViewSet, "runs")
router.register("evaluations", EvaluationViewSet, "evaluations")
router.register("prediction-jobs", PredictionJobViewSet, "prediction-jobs")
router.register("prediction-problems", PredictionProblemViewSet, "prediction-problems")
router.register("audit-jobs", AuditJobViewSet, "audit-jobs")  # …/<id>/file
router.register("seals", SealViewSet, "seals")

urlpatterns = [
    *router.urls,
    path("projects/<int:project_pk>/next", NextTasksView.as_view(), name="v1-next"),
    path("projects/<int:project_pk>/quality", QualityView.as_view(), name="v1-quality"),
    path("projects/<int:project_pk>/shadow", ShadowView.as_view(), name="v1-shadow"),
    path(
        "projects/<int:project_pk>/suspicious-annotations",
        SuspiciousAnnotationsView.as_view(),
        name="v1-suspicious-annotations",
    ),
    path(
        "projects/<int:project_pk>/suspicious-annotations/<int:annotation_id>/confirm",
        ConfirmAnnotationView.as_view(),
        name="v1-confirm-annotation",
    ),
    path("tokens", TokensView.as_view(), name="v1-tokens"),
    path("tokens/<slug:token_key>", TokenView.as_view(), name="v1-token"),
    # The document contains no data, so it is public. Its pages load nothing from a CDN.
    path("schema", SpectacularAPIView.as_view(**_OPEN), name="v1-schema"),
    path(
        "docs",
        SpectacularSwaggerSplitView.as_view(url_name="v1-schema", **_OPEN),
        name="v1-docs",
    ),
]
