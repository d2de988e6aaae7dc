"""All URLs of the service. Label Studio's endpoints are in lsml/api/urls.py."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("", include("lsml.api.urls")),
]

handler400 = "lsml.api.handlers.bad_request"
handler403 = "lsml.api.handlers.forbidden"
handler404 = "lsml.api.handlers.not_found"
handler500 = "lsml.api.handlers.server_error"
