"""Views of Label Studio's endpoints. Each parses, calls one service and replies."""

import hashlib
from typing import Any, cast

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.response import Response
from rest_framework.views import APIView

from lsml.api import schemas
from lsml.api.auth import LabelStudioAuthentication
from lsml.audit.lag import sealing_metrics
from lsml.inference.placement import model_metrics
from lsml.inference.services import predict
from lsml.jobs.gauges import job_metrics
from lsml.labelstudio.label_config import parse_label_config
from lsml.labelstudio.reading import decode
from lsml.labelstudio.requests import (
    DeleteRequest,
    DuplicateRequest,
    JobStatusRequest,
    PredictRequest,
    SetupRequest,
    TrainRequest,
    ValidateRequest,
    VersionsRequest,
    WebhookRequest,
)
from lsml.labelstudio.webhooks import KNOWN_ACTIONS, PROJECT_HEADER
from lsml.observability import metrics
from lsml.observability.access_log import describe
from lsml.observability.origin import Origin
from lsml.quality.alarms.reads import alarm_metrics
from lsml.quality.gauges import quality_metrics
from lsml.quality.validity.counts import answer_metrics
from lsml.registry.model_class import model_name
from lsml.registry.projects import duplicate_project, set_up_project
from lsml.registry.versions import version_names
from lsml.training.gauges import inbox_metrics
from lsml.training.inbox.accept import receive
from lsml.training.requests import job_status, receive_train, retire_project

_JSON = "application/json"


class LabelStudioView(APIView):
    """Base of all endpoints: JSON both ways, one way to log in, no choices.

    DRF spends a third of a request on choosing parsers, renderers, permissions and
    throttles. Here there is one of each, or none. The views are DRF's all the same: for
    the OpenAPI document and for how errors are answered.
    """

    origin: Origin  # of the request, for audit rows

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Authenticate, and let the method's handler answer."""
        self.headers: dict[str, str] = {}
        answer: HttpResponseBase
        try:
            caller, _ = LabelStudioAuthentication().authenticate(request)
            self.origin = Origin.from_request(request, name=caller.name)
            handler: Any = self.http_method_not_allowed
            if (method := (request.method or "").lower()) in self.http_method_names:
                handler = getattr(self, method, handler)
            answer = handler(request)
        except Exception as error:  # noqa: BLE001 - answered by lsml/api/errors.py
            answer = self.handle_exception(error)
        if isinstance(answer, Response):  # an error, or of OPTIONS
            headers = self.default_response_headers | dict(answer.items())
            return json_answer(answer.data, answer.status_code, headers)
        return answer


def json_body(request: HttpRequest) -> object:
    """Return the decoded body, fit to be stored; {} if there is none.

    Raises:
        RequestDataTooBig: above MAX_REQUEST_MB (413).
        UnsupportedMediaType: not declared as JSON (415).
        WireError: not JSON (400).
    """
    body = request.body
    if not body:
        return {}
    declared: str = request.META.get("CONTENT_TYPE", "")
    if declared.partition(";")[0].strip().lower() != _JSON:
        raise UnsupportedMediaType(declared)
    return decode(body)


def json_answer(
    data: object, status: int = 200, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Return an answer with `data` as its body."""
    headers = {**(headers or {}), "Content-Type": _JSON}
    return HttpResponse(orjson.dumps(data), status=status, headers=headers)


class HealthView(LabelStudioView):
    """Report that the backend is up. Loads no model: Label Studio waits 1 s."""

    @extend_schema(responses=schemas.HEALTH)
    def get(self, request: HttpRequest) -> HttpResponse:
        return json_answer({"status": "UP", "model_class": model_name()})


class SetupView(LabelStudioView):
    """Register or update a project. Loads no model: Label Studio waits 3 s.

    Label Studio sends this many times a day.
    """

    @extend_schema(request=schemas.SETUP_REQUEST, responses=schemas.SETUP)
    def post(self, request: HttpRequest) -> HttpResponse:
        parsed = SetupRequest.parse(json_body(request))
        describe(request, project=parsed.project)
        project = set_up_project(parsed, origin=self.origin)
        describe(request, version=project.served_version)
        return json_answer({"model_version": project.served_version})


class PredictView(LabelStudioView):
    """Predict tasks. Each prediction is recorded before it is sent.

    Label Studio waits 100 s.
    """

    @extend_schema(request=schemas.PREDICT_REQUEST, responses=schemas.PREDICT)
    def post(self, request: HttpRequest) -> HttpResponse:
        parsed = PredictRequest.parse(json_body(request))
        describe(request, project=parsed.project)
        predicted = predict(parsed, origin=self.origin)
        describe(request, version=predicted.model_version)
        return json_answer({"results": predicted.as_wire()})


class WebhookView(LabelStudioView):
    """Store an event of Label Studio, which waits 1 s."""

    @extend_schema(request=schemas.WEBHOOK_REQUEST, responses=schemas.WEBHOOK)
    def post(self, request: HttpRequest) -> HttpResponse:
        digest = hashlib.sha256(request.body).hexdigest()
        body = json_body(request)
        parsed = WebhookRequest.parse(
            body, named_project=request.headers.get(PROJECT_HEADER, "")
        )
        describe(request, project=parsed.project)
        event = receive(
            request=parsed,
            body=cast("dict[str, Any]", body),  # else parse() had refused it
            digest=digest,
            origin=self.origin,
        )
        # An unknown action must not add a time series to Prometheus.
        known = parsed.action if parsed.action in KNOWN_ACTIONS else "other"
        metrics.webhook_events.labels(known).inc()
        return json_answer({"status": "accepted", "job": str(event.pk)})


class VersionsView(LabelStudioView):
    """List the model versions. Label Studio's GET names no project."""

    @extend_schema(responses=schemas.VERSIONS)
    def get(self, request: HttpRequest) -> HttpResponse:
        return json_answer({"versions": version_names(None)})

    @extend_schema(request=schemas.VERSIONS_REQUEST, responses=schemas.VERSIONS)
    def post(self, request: HttpRequest) -> HttpResponse:
        parsed = VersionsRequest.parse(json_body(request) or None)
        describe(request, project=parsed.project)
        return json_answer({"versions": version_names(parsed.project)})


class ValidateView(LabelStudioView):
    """Check whether the label config can be used. Status 400 gives the reason."""

    @extend_schema(request=schemas.VALIDATE_REQUEST, responses=schemas.VALIDATE)
    def post(self, request: HttpRequest) -> HttpResponse:
        parse_label_config(ValidateRequest.parse(json_body(request)).label_config)
        return json_answer({"status": "ok"})


class TrainView(LabelStudioView):
    """Accept annotated tasks from an older client and train on them."""

    @extend_schema(request=schemas.TRAIN_REQUEST, responses=schemas.WEBHOOK)
    def post(self, request: HttpRequest) -> HttpResponse:
        digest = hashlib.sha256(request.body).hexdigest()
        body = json_body(request)
        parsed = TrainRequest.parse(body)
        describe(request, project=parsed.project)
        event = receive_train(
            request=parsed,
            body=cast("dict[str, Any]", body),  # else parse() had refused it
            digest=digest,
            origin=self.origin,
        )
        return json_answer({"status": "accepted", "job": str(event.pk)})


class JobStatusView(LabelStudioView):
    """Report the state of the training that an event requested, or status 410."""

    @extend_schema(request=schemas.JOB_STATUS_REQUEST, responses=schemas.JOB_STATUS)
    def post(self, request: HttpRequest) -> HttpResponse:
        job = JobStatusRequest.parse(json_body(request)).job
        return json_answer({"job": job, "job_status": job_status(job)})


class DuplicateView(LabelStudioView):
    """Copy a duplicated project's state, versions and policy."""

    @extend_schema(request=schemas.DUPLICATE_REQUEST, responses=schemas.SETUP)
    def post(self, request: HttpRequest) -> HttpResponse:
        parsed = DuplicateRequest.parse(json_body(request))
        describe(request, project=parsed.target)
        project = duplicate_project(
            source=parsed.source,
            target=parsed.target,
            origin=self.origin,
        )
        return json_answer({"model_version": project.served_version})


class DeleteView(LabelStudioView):
    """Archive a project that no longer uses its model. The audit log is kept."""

    @extend_schema(request=schemas.DELETE_REQUEST, responses=schemas.DELETE)
    def post(self, request: HttpRequest) -> HttpResponse:
        parsed = DeleteRequest.parse(json_body(request))
        describe(request, project=parsed.project)
        retire_project(key=parsed.project, origin=self.origin)
        return json_answer({"deleted": str(parsed.project)})


class MetricsView(LabelStudioView):
    """Report metrics to Prometheus."""

    @extend_schema(responses={(200, "text/plain"): str})
    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        known = metrics.from_database(
            inbox_metrics,
            job_metrics,
            sealing_metrics,
            alarm_metrics,
            quality_metrics,
            answer_metrics,
        )
        return HttpResponse(
            metrics.exposition() + known + model_metrics(),
            content_type=metrics.CONTENT_TYPE,
        )
