"""Title and sidebar of the admin; `UNFOLD` in the settings."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from lsml.access.roles import may


def _item(title: Any, icon: str, view: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{view}")}


def _may_manage_people(request: HttpRequest) -> bool:
    return may(request.user, "people")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": _("ML backend"),
    "SITE_HEADER": _("ML backend"),
    "SITE_SYMBOL": "network_intelligence",
    "SITE_URL": None,
    "SHOW_BACK_BUTTON": True,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {
                "items": [
                    _item(_("Home"), "home", "index"),
                    _item(_("Alarms"), "notifications", "quality_alarm_changelist"),
                ]
            },
            {
                "title": _("Models"),
                "separator": True,
                "items": [
                    _item(_("Projects"), "folder", "registry_project_changelist"),
                    _item(
                        _("Versions"),
                        "deployed_code",
                        "registry_modelversion_changelist",
                    ),
                    _item(_("Models in memory"), "memory", "console_models"),
                    _item(
                        _("Training runs"),
                        "model_training",
                        "training_trainingrun_changelist",
                    ),
                    _item(
                        _("Evaluations"),
                        "balance",
                        "quality_evaluation_changelist",
                    ),
                    _item(
                        _("Promotions"),
                        "rocket_launch",
                        "registry_promotion_changelist",
                    ),
                    _item(
                        _("Bulk predictions"),
                        "dynamic_feed",
                        "inference_predictionjob_changelist",
                    ),
                ],
            },
            {
                "title": _("Audit log"),
                "separator": True,
                "items": [
                    _item(
                        _("Predictions"), "auto_awesome", "audit_prediction_changelist"
                    ),
                    _item(_("Events"), "webhook", "audit_webhookevent_changelist"),
                    _item(
                        _("Audit entries"),
                        "history_edu",
                        "audit_auditentry_changelist",
                    ),
                    _item(_("Seals"), "verified", "audit_seal_changelist"),
                    _item(
                        _("Audit jobs"),
                        "inventory",
                        "audit_auditjob_changelist",
                    ),
                ],
            },
            {
                "title": _("Data"),
                "separator": True,
                "items": [
                    _item(_("Tasks"), "task", "dataset_task_changelist"),
                    _item(_("Annotations"), "draw", "dataset_annotation_changelist"),
                    _item(_("Agreement"), "handshake", "dataset_agreement_changelist"),
                    _item(_("Model state"), "key", "registry_stateitem_changelist"),
                ],
            },
            {
                "title": _("People"),
                "separator": True,
                "items": [
                    _item(_("Users"), "group", "auth_user_changelist")
                    | {"permission": _may_manage_people},
                ],
            },
        ],
    },
}
