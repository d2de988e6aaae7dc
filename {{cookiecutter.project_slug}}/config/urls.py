"""Every address of the service. Label Studio's endpoints live in lsml/api/urls.py."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("", include("lsml.api.urls")),
]

handler400 = "lsml.api.errors.bad_request"
handler403 = "lsml.api.errors.forbidden"
handler404 = "lsml.api.errors.not_found"
handler500 = "lsml.api.errors.server_error"
