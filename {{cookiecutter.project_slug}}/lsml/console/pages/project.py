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
        found: Whose page it is, with the `shadow_name` of its version in shadow and the
            count of `waiting` events.
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
        "policy_history": [
            (entry, _changes(entry)) for entry in changed.order_by("-pk")[:5]
        ],
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
    field = PolicyForm.base_fields.get(name)
    return field.label if field else name  # of an entry by an earlier release


def _changes(entry: AuditEntry) -> list[tuple[Any, Any, Any]]:
    """Return label, value before and value after of what an entry changed."""
    return [
        (_label(name), change["before"], change["after"])
        for name, change in entry.detail.items()
    ]


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
            "training_paused": gettext_lazy("Training is paused"),
            "min_annotations": gettext_lazy("New annotations that start a run"),
            "debounce_s": gettext_lazy("Wait for a pause of (s)"),
            "quiet_from": gettext_lazy("Start no run from (UTC)"),
            "quiet_until": gettext_lazy("Start no run until (UTC)"),
            "promotion_policy": gettext_lazy("New versions are promoted"),
            "gate_min_tasks": gettext_lazy("Held-out tasks needed to compare"),
            "gate_margin": gettext_lazy("A version may be worse by (points)"),
            "gate_label_margin": gettext_lazy("A label may be worse by (points)"),
            "gate_latency_factor": gettext_lazy("A version may be slower (times)"),
            "gate_shadow_tasks": gettext_lazy("Annotated tasks to pass in shadow"),
            "shadow_percent": gettext_lazy("Tasks predicted in shadow (%)"),
            "roll_back_on_drop": gettext_lazy("Automatic roll-back"),
            "time_limit_s": gettext_lazy("Time limit of a run (s)"),
            "memory_mb": gettext_lazy("Memory limit of a run (MB)"),
            "holdout_percent": gettext_lazy("Annotated tasks held out (%)"),
            "holdout_fit": gettext_lazy("Hold tasks out from fit() as well"),
            "withheld_percent": gettext_lazy("Tasks without suggestions (%)"),
            "predict_on_promotion": gettext_lazy("Predict after a promotion"),
            "sampling": gettext_lazy("Order of tasks in Label Studio"),
        }
        help_texts = {
            "training_mode": gettext_lazy(
                "Auto: new annotations start a run. Manual: only a person does, here or"
                " with the button in Label Studio."
            ),
            "training_paused": gettext_lazy(
                "No run starts, unless a person starts it here."
            ),
            "min_annotations": gettext_lazy(
                "Changed annotations count as well, skipped tasks do not."
            ),
            "debounce_s": gettext_lazy(
                "A run starts once no annotation has come for so long. 0: at once."
            ),
            "quiet_from": gettext_lazy(
                "Annotations that come between these times wait. Empty: no such time."
            ),
            "promotion_policy": gettext_lazy(
                "To compare, both versions predict the held-out tasks, and the"
                " annotations tell which one is right. While too few tasks are held"
                " out, every new version is promoted, unless only people promote."
            ),
            "gate_min_tasks": gettext_lazy(
                "On fewer, two versions cannot be told apart. 20 is a good minimum."
            ),
            "gate_margin": gettext_lazy(
                "90 % instead of 93 % is 3 points worse. A version is promoted if it is"
                " not worse by more, with 80 % certainty. Only used with “if not"
                " worse”."
            ),
            "gate_label_margin": gettext_lazy(
                "The recall and the precision of each label may fall by so much."
            ),
            "gate_latency_factor": gettext_lazy(
                "2: a prediction may take twice as long as one of the served version."
                " Less than 0.05 s per task is always fast enough."
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
                "Within the first 300 annotations of a new version: if annotators agree"
                " clearly less with it than with the version before, that one is served"
                " again. A version that a person promoted stays."
            ),
            "time_limit_s": gettext_lazy(
                "Empty: the limit of the service, TRAINING_TIME_LIMIT."
            ),
            "memory_mb": gettext_lazy(
                "Empty: the limit of the service, TRAINING_MEMORY_MB."
            ),
            "holdout_percent": gettext_lazy(
                "No version is trained on them, so that versions can be compared on"
                " them. Applies from 30 annotated tasks on. 0: none."
            ),
            "holdout_fit": gettext_lazy(
                "Only for a model that has fit() and no train(): fit() does not get the"
                " annotations of held-out tasks."
            ),
            "withheld_percent": gettext_lazy(
                "Predictions of these tasks are recorded, but annotators do not see"
                " them: so quality is measured without the influence of suggestions. 5"
                " is a good value. 0: all are shown."
            ),
            "predict_on_promotion": gettext_lazy(
                "Which tasks each newly promoted version predicts at once. Switched on,"
                " the served version begins now."
            ),
            "sampling": gettext_lazy(
                "Label Studio: as set there. Uncertainty: the served version predicts"
                " the tasks without an annotation, and Label Studio then shows those"
                " with the lowest scores first."
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
