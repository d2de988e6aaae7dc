"""The page of a project, its policy form, and its buttons."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from lsml.audit.models import AuditEntry
from lsml.console.charts import Series, line_chart
from lsml.console.links import page_of
from lsml.console.pages import timeline
from lsml.console.pages.base import needs, page
from lsml.console.pages.metrics import plain
from lsml.console.pages.quality import quality_context
from lsml.inference.following.status import order_status
from lsml.jobs.errors import JobError
from lsml.observability.origin import requester
from lsml.quality.validity.counts import check_of
from lsml.registry.models import ModelVersion, Project
from lsml.registry.policy import POLICY_FIELDS, change_policy
from lsml.training.models import TrainingRun
from lsml.training.runs import start_run

_VERSIONS_MAX: Final = 50
_ERRORS_SHOWN: Final = 5  # groups
_ENTRIES_SHOWN: Final = 10  # of the timeline


def project_context(request: HttpRequest, found: Project) -> dict[str, Any]:
    """Collect quality, versions, runs, promotions, policy and the newest entries.

    Args:
        request: The page's.
        found: Whose page it is; `waiting` events were counted when it was read.
    """
    versions = list(found.versions.order_by("-number")[:_VERSIONS_MAX])
    for version in versions:
        if version.pk == found.active_version_id:
            found.active_version = version  # saves a query
    promotions = found.promotions.select_related("from_version", "to_version")
    recent = list(promotions.order_by("-pk")[:_VERSIONS_MAX])
    promoted = {promotion.to_version_id for promotion in recent}
    metrics = metric_names(versions)
    metric = request.GET.get("metric", "")
    metric = metric if metric in metrics else next(iter(metrics), "")
    runs = list(found.runs.defer("log").order_by("-pk")[:_ENTRIES_SHOWN])
    changed = AuditEntry.objects.filter(
        project_pk=found.pk, verb=AuditEntry.Verb.POLICY_CHANGED
    )
    return {
        "project": found,
        "quality": quality_context(found, versions, promoted),
        "errors": list(found.error_groups.order_by("-last_seen_at")[:_ERRORS_SHOWN]),
        "answer_check": check_of(found, found.served_version),
        "versions": versions[:10],
        "version_count": len(versions),
        "metrics": metrics,
        "metric": metric,
        "chart": _by_version(versions, metric, promoted),
        "runs": runs[:5],
        # At most one is active, and none is opened meanwhile: it is the newest.
        "active": next((run for run in runs if run.state in TrainingRun.ACTIVE), None),
        "promotions": recent[:5],
        "rolled_back": bool(recent) and recent[0].rolled_back_by_policy,
        "policy": [(_label(name), _shown(found, name)) for name in POLICY_FIELDS],
        "order": order_status(found),
        "policy_history": list(changed.order_by("-pk")[:5]),
        "entries": timeline.newest(found, _ENTRIES_SHOWN, run=runs, promotion=recent),
    }


def metric_names(versions: list[ModelVersion]) -> list[str]:
    """Return the names of the numeric metrics that at least one version has."""
    return list(
        plain({k: v for version in versions for k, v in version.metrics.items()})
    )


def _by_version(
    versions: list[ModelVersion], metric: str, promoted: set[int | None]
) -> SafeString | None:
    measured = [v for v in reversed(versions) if metric in metric_names([v])]
    points = [(float(v.number), float(v.metrics[metric])) for v in measured]
    step = max(len(measured) // 8, 1)
    return line_chart(
        _("%(metric)s by version; promoted versions are marked") % {"metric": metric},
        [Series(metric, points)],
        marks=[(float(v.number), v.version) for v in measured[::step]],
        starred=frozenset(float(v.number) for v in measured if v.pk in promoted),
    )


def _label(name: str) -> Any:
    return PolicyForm.base_fields[name].label


def _shown(project: Project, name: str) -> Any:
    display = getattr(project, f"get_{name}_display", None)
    return display() if display else getattr(project, name)


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """How a project is trained, and what follows a promotion."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=1000,
        help_text=gettext_lazy("Recorded in the audit log."),
    )

    class Meta:
        model = Project
        fields = POLICY_FIELDS
        labels = {
            "training_mode": gettext_lazy("Training starts"),
            "training_paused": gettext_lazy("Paused"),
            "min_annotations": gettext_lazy("Minimum annotations"),
            "debounce_s": gettext_lazy("Quiet time before a run (s)"),
            "quiet_from": gettext_lazy("Start no run from (UTC)"),
            "quiet_until": gettext_lazy("until (UTC)"),
            "promotion_policy": gettext_lazy("New versions are promoted"),
            "gate_min_tasks": gettext_lazy("Held-out tasks required to compare"),
            "gate_margin": gettext_lazy("Points that a version may be worse"),
            "gate_label_margin": gettext_lazy("Points that a label may be worse"),
            "gate_latency_factor": gettext_lazy(
                "Times that a prediction may be slower"
            ),
            "gate_shadow_tasks": gettext_lazy("Annotated tasks to pass in shadow"),
            "shadow_percent": gettext_lazy("Tasks predicted in shadow (%)"),
            "roll_back_on_drop": gettext_lazy("Automatic roll-back"),
            "time_limit_s": gettext_lazy("Time limit of a run (s)"),
            "memory_mb": gettext_lazy("Memory limit of a run (MB)"),
            "holdout_percent": gettext_lazy("Annotated tasks held out (%)"),
            "holdout_fit": gettext_lazy("Hold out from fit() as well"),
            "withheld_percent": gettext_lazy("Tasks without suggestions (%)"),
            "predict_on_promotion": gettext_lazy("Predict after a promotion"),
            "sampling": gettext_lazy("Order of tasks in Label Studio"),
        }
        help_texts = {
            "training_mode": gettext_lazy(
                "auto: new annotations start a run. manual: only people start runs."
            ),
            "promotion_policy": gettext_lazy(
                "New and served version predict the held-out tasks; the annotations"
                " tell which is right. While there are too few of them, every version"
                " is promoted, except if only people promote."
            ),
            "gate_margin": gettext_lazy(
                "Of 100, with 80 % certainty. Only for “if not worse”."
            ),
            "gate_label_margin": gettext_lazy(
                "Of 100, of the recall and precision of each label."
            ),
            "gate_shadow_tasks": gettext_lazy(
                "A version that passed on held-out tasks predicts live tasks in shadow"
                " and is promoted once it passes on so many of them. A newer one takes"
                " its place, so runs must be rarer than that. 0: not required."
            ),
            "shadow_percent": gettext_lazy(
                "Of the tasks that Label Studio asks for; so many tasks more must be"
                " annotated. Also the share of the version in shadow now."
            ),
            "roll_back_on_drop": gettext_lazy(
                "If annotators agree significantly less with a new version, in its"
                " first 300 annotations, than with the one before. Only versions that"
                " no person promoted."
            ),
            "time_limit_s": gettext_lazy("If empty, TRAINING_TIME_LIMIT applies."),
            "memory_mb": gettext_lazy("If empty, TRAINING_MEMORY_MB applies."),
            "holdout_percent": gettext_lazy(
                "Never trained on, so that versions can be measured on them. From 30"
                " annotated tasks on; 0: none."
            ),
            "holdout_fit": gettext_lazy(
                "For a model without train(): fit() does not get the events of held-out"
                " tasks."
            ),
            "withheld_percent": gettext_lazy(
                "Their predictions are recorded, but annotators do not see them. So"
                " quality can be measured without the influence of suggestions. 5 is a"
                " good value; 0: none."
            ),
            "predict_on_promotion": gettext_lazy(
                "Each promoted version predicts these tasks. When you switch this on,"
                " the served version does so too."
            ),
            "sampling": gettext_lazy(
                "Label Studio: as set there. Uncertainty: the served version predicts"
                " the tasks without an annotation, then Label Studio serves those with"
                " the lowest scores first."
            ),
        }


@needs("operate")
def policy(request: HttpRequest, pk: int) -> HttpResponse:
    """Change the policy."""
    project = get_object_or_404(Project, pk=pk)
    form = PolicyForm(request.POST or None, instance=Project.objects.get(pk=pk))
    if request.method == "POST" and form.is_valid():
        changes = {name: form.cleaned_data[name] for name in POLICY_FIELDS}
        _change(request, project, changes, form.cleaned_data["reason"])
        return redirect(page_of(project))
    title = _("Policy of %(project)s") % {"project": project}
    context = {"form": form, "title": title, "back": page_of(project)}
    return page(request, "console/policy.html", context)


@require_POST
@needs("operate")
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Pause or resume training."""
    project = get_object_or_404(Project, pk=pk)
    paused = request.POST.get("paused") == "1"
    _change(request, project, {"training_paused": paused}, "")
    return redirect(page_of(project))


@require_POST
@needs("operate")
def train(request: HttpRequest, pk: int) -> HttpResponse:
    """Start a run now."""
    project = get_object_or_404(Project, pk=pk)
    try:
        run = start_run(
            project=project,
            **requester(request),
        )
    except JobError as refused:
        messages.error(request, str(refused))
        return redirect(page_of(project))
    messages.success(request, _("%s is waiting for a worker.") % run)
    return redirect(page_of(run))


def _change(
    request: HttpRequest, project: Project, changes: dict[str, Any], reason: str
) -> None:
    try:
        different = change_policy(
            project=project,
            changes=changes,
            reason=reason,
            **requester(request),
        )
    except ValidationError as refused:
        messages.error(request, " ".join(refused.messages))
        return
    if different:
        messages.success(request, _("The policy was changed."))
    else:
        messages.info(request, _("Nothing changed."))
