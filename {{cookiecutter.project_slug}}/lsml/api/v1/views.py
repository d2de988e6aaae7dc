"""Lists and single rows of the audit trail, the registry and training."""

from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView

from lsml.api.v1 import filters, serializers
from lsml.api.v1.access import (
    AUTHENTICATION,
    THROTTLES,
    MayOperate,
    MayRead,
    demand_export,
)
from lsml.api.v1.documents import describes_list, describes_one
from lsml.api.v1.paging import ordered, page
from lsml.api.v1.streaming import STREAMS, streamed
from lsml.audit.models import AuditEntry, Prediction, Seal, WebhookEvent
from lsml.audit.services import record_entry
from lsml.inference.promotion import promote_loaded
from lsml.jobs.services import request_cancel
from lsml.observability.origin import Origin
from lsml.registry.models import ModelVersion, Promotion
from lsml.training.explain import explain
from lsml.training.models import TrainingRun

_Row = TypeVar("_Row", bound=Model)


class OperatorView(APIView):
    """What all views of /api/v1/ share."""

    authentication_classes = AUTHENTICATION
    permission_classes: list[Any] = [MayRead]
    throttle_classes = THROTTLES


class ListView(OperatorView):
    """A list: filtered, paged by key, or streamed as a whole."""

    rows: ClassVar[QuerySet[Any]]
    filter: ClassVar[type[filters.Filter]]
    serializer: ClassVar[type[ModelSerializer[Any]]]
    name: ClassVar[str]

    def get(self, request: Request) -> Response | StreamingHttpResponse:
        rows = filters.filtered(self.filter, self.rows.all(), request)
        file_format = request.query_params.get("format", "json")
        if file_format in STREAMS:
            demand_export(request)
            self._record_export(request)
            return streamed(
                rows=ordered(rows, request),
                serializer=self.serializer,
                name=self.name,
                file_format=file_format,
            )
        if file_format != "json":
            raise ValidationError({"format": f"json, {' or '.join(STREAMS)}"})
        these, around = page(rows, request)
        return Response(around | {"results": self.serializer(these, many=True).data})

    def _record_export(self, request: Request) -> None:
        record_entry(
            origin=Origin.from_request(request),
            at=timezone.now(),
            actor=request.user.get_username(),
            verb=AuditEntry.Verb.LIST_EXPORTED,
            target=f"list {self.name}",
            detail={"filters": request.query_params.urlencode()},
        )


class OneView(OperatorView):
    """A single row."""

    rows: ClassVar[QuerySet[Any]]
    serializer: ClassVar[type[ModelSerializer[Any]]]

    def get(self, request: Request, pk: int) -> Response:
        return Response(self.serializer(found(self.rows.all(), pk)).data)


@describes_list(filters.PredictionFilter, serializers.PredictionSerializer)
class PredictionsView(ListView):
    """Every answer given to a task."""

    name = "predictions"
    rows = Prediction.objects.all()
    filter = filters.PredictionFilter
    serializer = serializers.PredictionSerializer


@describes_one(serializers.PredictionSerializer)
class PredictionView(OneView):
    """One answer, with what the model was given and said."""

    rows = Prediction.objects.all()
    serializer = serializers.PredictionSerializer


class ExplainView(OperatorView):
    """Where a prediction comes from: version, run, annotations; what came of it."""

    @extend_schema(
        responses={(200, "application/json"): {"type": "object"}}, tags=["operators"]
    )
    def get(self, request: Request, pk: int) -> Response:
        return Response(explain(found(Prediction.objects.all(), pk)))


@describes_list(filters.EventFilter, serializers.EventSerializer)
class EventsView(ListView):
    """Every webhook that was accepted."""

    name = "events"
    rows = WebhookEvent.objects.all()
    filter = filters.EventFilter
    serializer = serializers.EventSerializer


@describes_one(serializers.EventSerializer)
class EventView(OneView):
    """One webhook, with its payload; secrets are masked."""

    rows = WebhookEvent.objects.all()
    serializer = serializers.EventSerializer


@describes_list(filters.AuditEntryFilter, serializers.AuditEntrySerializer)
class AuditEntriesView(ListView):
    """What people, policies and workers did."""

    name = "audit-entries"
    rows = AuditEntry.objects.all()
    filter = filters.AuditEntryFilter
    serializer = serializers.AuditEntrySerializer


@describes_one(serializers.AuditEntrySerializer)
class AuditEntryView(OneView):
    """One deed, who did it and why."""

    rows = AuditEntry.objects.all()
    serializer = serializers.AuditEntrySerializer


@describes_list(filters.PromotionFilter, serializers.PromotionSerializer)
class PromotionsView(ListView):
    """Which version was served from when on."""

    name = "promotions"
    rows = Promotion.objects.select_related("from_version", "to_version")
    filter = filters.PromotionFilter
    serializer = serializers.PromotionSerializer


@describes_one(serializers.PromotionSerializer)
class PromotionView(OneView):
    """One change of the version that is served."""

    rows = Promotion.objects.select_related("from_version", "to_version")
    serializer = serializers.PromotionSerializer


@describes_list(filters.VersionFilter, serializers.VersionSerializer)
class VersionsView(ListView):
    """Model versions, and what they were made of."""

    name = "versions"
    rows = ModelVersion.objects.select_related("parent")
    filter = filters.VersionFilter
    serializer = serializers.VersionSerializer


@describes_one(serializers.VersionSerializer)
class VersionView(OneView):
    """One model version."""

    rows = ModelVersion.objects.select_related("parent")
    serializer = serializers.VersionSerializer


class PromoteView(OperatorView):
    """Serve this version from the next request on; 409 when it does not load."""

    permission_classes = [MayOperate]

    @extend_schema(
        request=serializers.ReasonSerializer,
        responses=serializers.PromotionSerializer,
        tags=["operators"],
    )
    def post(self, request: Request, pk: int) -> Response:
        version = found(ModelVersion.objects.select_related("project"), pk)
        promotion = promote_loaded(
            project=version.project,
            version=version,
            actor=request.user.get_username(),
            reason=_reason(request),
            origin=Origin.from_request(request),
        )
        return Response(serializers.PromotionSerializer(promotion).data)


@describes_list(filters.RunFilter, serializers.RunSerializer)
class RunsView(ListView):
    """Training runs: waiting, running and ended."""

    name = "runs"
    rows = TrainingRun.objects.select_related("version")
    filter = filters.RunFilter
    serializer = serializers.RunSerializer


@describes_one(serializers.RunSerializer)
class RunView(OneView):
    """One training run."""

    rows = TrainingRun.objects.select_related("version")
    serializer = serializers.RunSerializer


class CancelView(OperatorView):
    """Stop a run; its events wait for the next one."""

    permission_classes = [MayOperate]

    @extend_schema(
        request=serializers.ReasonSerializer,
        responses=serializers.RunSerializer,
        tags=["operators"],
    )
    def post(self, request: Request, pk: int) -> Response:
        run = found(TrainingRun.objects.all(), pk)
        request_cancel(
            run,
            actor=request.user.get_username(),
            reason=_reason(request),
            origin=Origin.from_request(request),
        )
        return Response(serializers.RunSerializer(run).data)


@describes_list(filters.SealFilter, serializers.SealSerializer)
class SealsView(ListView):
    """The chain of digests over finished rows."""

    name = "seals"
    rows = Seal.objects.defer("locator")
    filter = filters.SealFilter
    serializer = serializers.SealSerializer


@describes_one(serializers.SealSerializer)
class SealView(OneView):
    """One link of the chain."""

    rows = Seal.objects.defer("locator")
    serializer = serializers.SealSerializer


def found(rows: QuerySet[_Row], pk: int) -> _Row:
    """The row of that key.

    Raises:
        NotFound: there is none: mistyped, or removed by retention.
    """
    row = rows.filter(pk=pk).first() if pk < 2**63 else None
    if row is None:
        raise NotFound(f"There is no {rows.model._meta.verbose_name} {pk}.")
    return row


def _reason(request: Request) -> str:
    words = serializers.ReasonSerializer(data=request.data)
    words.is_valid(raise_exception=True)
    reason: str = words.validated_data["reason"]
    return reason
