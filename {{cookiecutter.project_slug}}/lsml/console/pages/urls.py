"""URLs below /admin/console/."""

from collections.abc import Callable

from django.contrib.admin import AdminSite
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from lsml.console.pages import (
    alarms,
    audit_jobs,
    compare,
    drift,
    errors,
    jobs,
    live_agreement,
    models_in_memory,
    next_tasks,
    predict,
    project,
    promotion,
    shadow,
    suspicious,
    timeline,
    version,
    workers,
)


def page_urls(site: AdminSite) -> list[URLPattern]:
    """Return the URLs of the pages other than lists and detail pages."""

    def page(
        route: str, view: Callable[..., HttpResponseBase], name: str
    ) -> URLPattern:
        # admin_view redirects to the login page unless the user is logged in.
        found: URLPattern = path(
            f"console/{route}", site.admin_view(view), name=f"console_{name}"
        )
        return found

    return [
        page("project/<int:pk>/promote/", promotion.promote, "promote"),
        page("project/<int:pk>/roll-back/", promotion.roll_back, "roll_back"),
        page("project/<int:pk>/timeline/", timeline.timeline, "timeline"),
        page("project/<int:pk>/policy/", project.policy, "policy"),
        page("project/<int:pk>/pause/", project.pause, "pause"),
        page("project/<int:pk>/train/", project.train, "train"),
        page("project/<int:pk>/predict/", predict.predict, "predict"),
        page(
            "project/<int:pk>/live-agreement/",
            live_agreement.live_agreement,
            "live_agreement",
        ),
        page("project/<int:pk>/errors/", errors.errors, "errors"),
        page("project/<int:pk>/next/", next_tasks.next_tasks, "next"),
        page("project/<int:pk>/drift/", drift.drift, "drift"),
        page("project/<int:pk>/suspicious/", suspicious.suspicious, "suspicious"),
        page(
            "project/<int:pk>/suspicious/<int:annotation_id>/confirm/",
            suspicious.confirm,
            "confirm_annotation",
        ),
        page("version/<int:pk>/compare/", compare.compare, "compare"),
        page("version/<int:pk>/shadow/", shadow.shadow, "shadow"),
        page("version/<int:pk>/note/", version.note, "note"),
        page("version/<int:pk>/evaluate/", version.evaluate, "evaluate"),
        page("version/<int:pk>/artifact/", version.artifact, "artifact"),
        page("job/<str:kind>/<int:pk>/progress/", jobs.progress, "job_progress"),
        page("job/<str:kind>/<int:pk>/cancel/", jobs.cancel, "cancel"),
        page("job/<str:kind>/<int:pk>/retry/", jobs.retry, "retry"),
        page("audit/verify/", audit_jobs.verify, "verify"),
        page("audit/export/", audit_jobs.export, "export"),
        page("audit/<int:pk>/file/", audit_jobs.file, "audit_job_file"),
        page("alarm/<int:pk>/acknowledge/", alarms.acknowledge_alarm, "acknowledge"),
        page("models/", models_in_memory.models_in_memory, "models"),
        page("workers/", workers.workers, "workers"),
    ]
