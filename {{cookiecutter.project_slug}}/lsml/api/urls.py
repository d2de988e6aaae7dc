"""URLs of Label Studio's endpoints, the probes and the operators' API.

No trailing slashes: Label Studio appends these names to the backend's URL.
"""

from django.urls import include, path

from lsml.api import probes, views

urlpatterns = [
    path("", views.HealthView.as_view(), name="root"),
    path("health", views.HealthView.as_view(), name="health"),
    path("setup", views.SetupView.as_view(), name="setup"),
    path("predict", views.PredictView.as_view(), name="predict"),
    path("webhook", views.WebhookView.as_view(), name="webhook"),
    path("versions", views.VersionsView.as_view(), name="versions"),
    path("validate", views.ValidateView.as_view(), name="validate"),
    path("train", views.TrainView.as_view(), name="train"),
    path("job_status", views.JobStatusView.as_view(), name="job-status"),
    path("duplicate_model", views.DuplicateView.as_view(), name="duplicate-model"),
    path("delete", views.DeleteView.as_view(), name="delete"),
    path("metrics", views.MetricsView.as_view(), name="metrics"),
    path("api/v1/", include("lsml.api.v1.urls")),
    path("live", probes.live, name="live"),
    path("ready", probes.ready, name="ready"),
]
