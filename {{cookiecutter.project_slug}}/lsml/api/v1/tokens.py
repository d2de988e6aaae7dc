"""Tokens for programs: created with a password, shown once, listed and revoked."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import authenticate
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from knox.models import AuthToken
from rest_framework import serializers
from rest_framework.exceptions import APIException, NotFound
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lsml.api.v1.access import AUTHENTICATION, THROTTLES, LoginRate
from lsml.api.v1.requests import validated
from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.observability.origin import Origin, requester


class WrongPassword(APIException):
    """Gives the same answer whether or not the user exists."""

    status_code = 401
    default_detail = "Wrong user name or password."
    default_code = "wrong_password"


class NewTokenSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1_000, trim_whitespace=False)
    days = serializers.IntegerField(
        min_value=1, max_value=3_650, default=90, help_text="days until it expires"
    )


class TokenSerializer(serializers.ModelSerializer[AuthToken]):
    """An existing token; the database holds only its digest."""

    class Meta:
        model = AuthToken
        fields = ["token_key", "created", "expiry"]


class MadeTokenSerializer(TokenSerializer):
    token = serializers.CharField(help_text="shown only once")

    class Meta(TokenSerializer.Meta):
        fields = ["token", *TokenSerializer.Meta.fields]


class TokensView(APIView):
    """List your tokens, or create one with your user name and password."""

    throttle_scope = "login"

    def get_authenticators(self) -> list[Any]:
        # A new token needs only a name and a password: no session, no CSRF token.
        if getattr(self.request, "method", "") == "POST":
            return []
        return [authentication() for authentication in AUTHENTICATION]

    def get_permissions(self) -> list[Any]:
        return [AllowAny() if self.request.method == "POST" else IsAuthenticated()]

    def get_throttles(self) -> list[Any]:
        classes = [LoginRate] if self.request.method == "POST" else THROTTLES
        return [throttle() for throttle in classes]

    @extend_schema(responses=TokenSerializer(many=True), tags=["operators"])
    def get(self, request: Request) -> Response:
        tokens = AuthToken.objects.filter(user=request.user).order_by("-created")
        return Response(TokenSerializer(tokens, many=True).data)

    @extend_schema(
        request=NewTokenSerializer,
        responses={201: MadeTokenSerializer},
        auth=[],
        tags=["operators"],
    )
    def post(self, request: Request) -> Response:
        values = validated(NewTokenSerializer, request)
        name, days = values["username"], values["days"]
        user = authenticate(
            request._request, username=name, password=values["password"]
        )
        if user is None:
            raise WrongPassword
        kept, token = AuthToken.objects.create(user, expiry=timedelta(days=days))
        record_entry(
            origin=Origin.from_request(request, name=name),
            at=timezone.now(),
            actor=user.get_username(),
            verb=AuditEntry.Verb.TOKEN_MADE,
            target=f"token {kept.token_key}",
            detail={"expires": kept.expiry.isoformat()},
        )
        return Response({**TokenSerializer(kept).data, "token": token}, status=201)


class TokenView(APIView):
    """Revoke one of your tokens."""

    authentication_classes = AUTHENTICATION
    permission_classes = [IsAuthenticated]
    throttle_classes = THROTTLES

    @extend_schema(responses={204: None}, tags=["operators"])
    def delete(self, request: Request, token_key: str) -> Response:
        found = AuthToken.objects.filter(user=request.user, token_key=token_key)
        if not found.delete()[0]:
            raise NotFound("You have no such token.")
        record_entry(
            at=timezone.now(),
            verb=AuditEntry.Verb.TOKEN_REVOKED,
            target=f"token {token_key}",
            **requester(request),
        )
        return Response(status=204)
