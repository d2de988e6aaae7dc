"""Views of Label Studio's endpoints. Each parses, calls one service and replies."""

import hashlib
from typing import Any, cast

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lsml.api import schemas
from lsml.inference.placement import model_metrics
from lsml.inference.services import predict
from lsml.labelstudio.label_config import parse_label_config
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
from lsml.observability.origin import Origin
from lsml.registry.model_class import model_name
from lsml.registry.projects import duplicate_project, set_up_project
from lsml.registry.versions import version_names
from lsml.training.inbox.accept import receive
from lsml.training.requests import job_status, receive_train, retire_project


class LabelStudioView(APIView):
    """Base of all endpoints. Refuses bodies above MAX_REQUEST_MB."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # Django checks the size here. The JSON parser would read a body of any size.
        _ = request.body


class HealthView(LabelStudioView):
    """Report that the backend is up. Loads no model: Label Studio waits 1 s."""

    @extend_schema(responses=schemas.HEALTH)
    def get(self, request: Request) -> Response:
        return Response({"status": "UP", "model_class": model_name()})


class SetupView(LabelStudioView):
    """Register or update a project. Loads no model: Label Studio waits 3 s.

    Label Studio sends this many times a day.
    """

    @extend_schema(request=schemas.SETUP_REQUEST, responses=schemas.SETUP)
    def post(self, request: Request) -> Response:
        parsed = SetupRequest.parse(request.data)
        project = set_up_project(parsed, origin=Origin.from_request(request))
        return Response({"model_version": project.served_version})


class PredictView(LabelStudioView):
    """Predict tasks. Each prediction is recorded before it is sent.

    Label Studio waits 100 s.
    """

    @extend_schema(request=schemas.PREDICT_REQUEST, responses=schemas.PREDICT)
    def post(self, request: Request) -> Response:
        parsed = PredictRequest.parse(request.data)
        predicted = predict(parsed, origin=Origin.from_request(request))
        return Response({"results": predicted.as_wire()})


class WebhookView(LabelStudioView):
    """Store an event of Label Studio, which waits 1 s."""

    @extend_schema(request=schemas.WEBHOOK_REQUEST, responses=schemas.WEBHOOK)
    def post(self, request: Request) -> Response:
        digest = hashlib.sha256(request.body).hexdigest()
        parsed = WebhookRequest.parse(
            request.data, named_project=request.headers.get(PROJECT_HEADER, "")
        )
        event = receive(
            request=parsed,
            body=cast("dict[str, Any]", request.data),  # else parse() had refused it
            digest=digest,
            origin=Origin.from_request(request),
        )
        # An unknown action must not add a time series to Prometheus.
        known = parsed.action if parsed.action in KNOWN_ACTIONS else "other"
        metrics.webhook_events.labels(known).inc()
        return Response({"status": "accepted", "job": str(event.pk)})


class VersionsView(LabelStudioView):
    """List the model versions. Label Studio's GET names no project."""

    @extend_schema(responses=schemas.VERSIONS)
    def get(self, request: Request) -> Response:
        return Response({"versions": version_names(None)})

    @extend_schema(request=schemas.VERSIONS_REQUEST, responses=schemas.VERSIONS)
    def post(self, request: Request) -> Response:
        parsed = VersionsRequest.parse(request.data or None)
        return Response({"versions": version_names(parsed.project)})


class ValidateView(LabelStudioView):
    """Check whether the label config can be used. Status 400 gives the reason."""

    @extend_schema(request=schemas.VALIDATE_REQUEST, responses=schemas.VALIDATE)
    def post(self, request: Request) -> Response:
        parse_label_config(ValidateRequest.parse(request.data).label_config)
        return Response({"status": "ok"})


class TrainView(LabelStudioView):
    """Accept annotated tasks from an older client and train on them."""

    @extend_schema(request=schemas.TRAIN_REQUEST, responses=schemas.WEBHOOK)
    def post(self, request: Request) -> Response:
        digest = hashlib.sha256(request.body).hexdigest()
        event = receive_train(
            request=TrainRequest.parse(request.data),
            body=cast("dict[str, Any]", request.data),  # else parse() had refused it
            digest=digest,
            origin=Origin.from_request(request),
        )
        return Response({"status": "accepted", "job": str(event.pk)})


class JobStatusView(LabelStudioView):
    """Report the state of the training that an event requested, or status 410."""

    @extend_schema(request=schemas.JOB_STATUS_REQUEST, responses=schemas.JOB_STATUS)
    def post(self, request: Request) -> Response:
        job = JobStatusRequest.parse(request.data).job
        return Response({"job": job, "job_status": job_status(job)})


class DuplicateView(LabelStudioView):
    """Copy a duplicated project's state, versions and policy."""

    @extend_schema(request=schemas.DUPLICATE_REQUEST, responses=schemas.SETUP)
    def post(self, request: Request) -> Response:
        parsed = DuplicateRequest.parse(request.data)
        project = duplicate_project(
            source=parsed.source,
            target=parsed.target,
            origin=Origin.from_request(request),
        )
        return Response({"model_version": project.served_version})


class DeleteView(LabelStudioView):
    """Archive a project that no longer uses its model. The audit log is kept."""

    @extend_schema(request=schemas.DELETE_REQUEST, responses=schemas.DELETE)
    def post(self, request: Request) -> Response:
        parsed = DeleteRequest.parse(request.data)
        retire_project(key=parsed.project, origin=Origin.from_request(request))
        return Response({"deleted": str(parsed.project)})


class MetricsView(LabelStudioView):
    """Report metrics to Prometheus."""

    @extend_schema(responses={(200, "text/plain"): str})
    def get(self, request: Request, **_: Any) -> HttpResponse:
        return HttpResponse(
            metrics.exposition() + model_metrics(), content_type=metrics.CONTENT_TYPE
        )
