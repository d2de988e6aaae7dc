"""All addresses of the operators' API on one screen."""

from typing import Any

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from lsml.api.v1 import tokens, views

_OPEN: dict[str, Any] = {"authentication_classes": [], "permission_classes": []}

urlpatterns = [
    path("predictions", views.PredictionsView.as_view(), name="v1-predictions"),
    path("predictions/<int:pk>", views.PredictionView.as_view(), name="v1-prediction"),
    path(
        "predictions/<int:pk>/explain", views.ExplainView.as_view(), name="v1-explain"
    ),
    path("events", views.EventsView.as_view(), name="v1-events"),
    path("events/<int:pk>", views.EventView.as_view(), name="v1-event"),
    path("audit-entries", views.AuditEntriesView.as_view(), name="v1-audit-entries"),
    path(
        "audit-entries/<int:pk>", views.AuditEntryView.as_view(), name="v1-audit-entry"
    ),
    path("promotions", views.PromotionsView.as_view(), name="v1-promotions"),
    path("promotions/<int:pk>", views.PromotionView.as_view(), name="v1-promotion"),
    path("versions", views.VersionsView.as_view(), name="v1-versions"),
    path("versions/<int:pk>", views.VersionView.as_view(), name="v1-version"),
    path("versions/<int:pk>/promote", views.PromoteView.as_view(), name="v1-promote"),
    path("runs", views.RunsView.as_view(), name="v1-runs"),
    path("runs/<int:pk>", views.RunView.as_view(), name="v1-run"),
    path("runs/<int:pk>/cancel", views.CancelView.as_view(), name="v1-cancel"),
    path("seals", views.SealsView.as_view(), name="v1-seals"),
    path("seals/<int:pk>", views.SealView.as_view(), name="v1-seal"),
    path("tokens", tokens.TokensView.as_view(), name="v1-tokens"),
    path("tokens/<str:token_key>", tokens.TokenView.as_view(), name="v1-token"),
    # The document names no data, so anybody may read it; its pages load no CDN.
    path("schema", SpectacularAPIView.as_view(**_OPEN), name="v1-schema"),
    path(
        "docs",
        SpectacularSwaggerSplitView.as_view(url_name="v1-schema", **_OPEN),
        name="v1-docs",
    ),
]
