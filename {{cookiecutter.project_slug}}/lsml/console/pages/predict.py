"""Starts a bulk prediction: of all tasks, or of those that a form names."""

import re
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lsml.console.links import page_of
from lsml.console.numbers import whole_number
from lsml.console.pages.base import needs, page
from lsml.inference.bulk.jobs import Options, start_job
from lsml.inference.models import PredictionJob
from lsml.jobs.errors import JobRefused
from lsml.labelstudio.reading import LARGEST_ID
from lsml.observability.origin import requester
from lsml.registry.models import Project


class TaskIdsField(forms.CharField):
    """Numbers with commas, spaces or line breaks between them."""

    def clean(self, value: Any) -> list[int]:
        """Return the numbers."""
        words = [word for word in re.split(r"[\s,;]+", super().clean(value)) if word]
        numbers = [whole_number(word) for word in words]
        if None in numbers:
            raise forms.ValidationError(
                _("A task ID is a whole number; write commas or spaces between them.")
            )
        return [number for number in numbers if number is not None]


class PredictForm(forms.Form):
    """Which tasks to predict; without any field all that lack this version."""

    only = forms.ChoiceField(
        label=gettext_lazy("Tasks"),
        choices=PredictionJob.Only.choices,
        required=False,
        help_text=gettext_lazy(
            "Tasks that have a prediction of the served version in Label Studio are"
            " left out."
        ),
    )
    task_ids = TaskIdsField(
        label=gettext_lazy("Only these task IDs"),
        widget=forms.Textarea(attrs={"rows": 3, "class": "c-input"}),
        required=False,
        max_length=100_000,
        help_text=gettext_lazy("If empty, all tasks that are known here."),
    )
    view = forms.IntegerField(
        label=gettext_lazy("Only the tasks of this view"),
        widget=forms.NumberInput(attrs={"class": "c-input"}),
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text=gettext_lazy(
            "The ID of a tab of Label Studio's data manager: “tab” in the address bar."
            " Its filters count, as they are when the job begins."
        ),
    )
    replace = forms.BooleanField(
        label=gettext_lazy("Replace predictions"),
        required=False,
        help_text=gettext_lazy(
            "First removes the predictions of the served version from Label Studio, of"
            " all tasks."
        ),
    )
    delete_older = forms.BooleanField(
        label=gettext_lazy("Remove older versions' predictions"),
        required=False,
        help_text=gettext_lazy(
            "When all predictions are sent, removes those of this service's older"
            " versions, unless a task would lose its only prediction."
        ),
    )

    def options(self) -> Options:
        """Return the options of the job."""
        chosen = self.cleaned_data
        return Options(
            only=chosen["only"] or PredictionJob.Only.WITHOUT_THIS_VERSION,
            task_ids=chosen["task_ids"],
            view=chosen["view"],
            replace=chosen["replace"],
            delete_older=chosen["delete_older"],
        )


@needs("operate")
def predict(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the form, or start the job."""
    project = get_object_or_404(Project, pk=pk)
    form = PredictForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        context = {
            "form": form,
            "title": _("Predict tasks of %(project)s") % {"project": project},
            "button": _("Predict"),
            "back": page_of(project),
        }
        return page(request, "console/policy.html", context)
    try:
        job = start_job(project=project, options=form.options(), **requester(request))
    except JobRefused as refused:
        messages.error(request, str(refused))
        return redirect(page_of(project))
    messages.success(request, _("%s is waiting for a worker.") % job)
    return redirect(page_of(job))
