"""Users and their roles; each change is recorded in the audit log."""

from __future__ import annotations

from typing import Any

import knox.admin
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from lsml.access.passwords import revoke_tokens
from lsml.access.roles import may
from lsml.audit.models import AuditEntry
from lsml.audit.services import record_entry
from lsml.console.lists.paging import KeyChangeList
from lsml.observability.origin import Origin

admin.site.unregister(User)
admin.site.unregister(Group)  # `manage.py migrate` creates the roles
# Its page cannot show a new token and would revoke one without a record; see /api/v1.
admin.site.unregister(knox.admin.models.AuthToken)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """Users who may log in. Nobody is deleted, because audit rows name them."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = (
        "username",
        "first_name",
        "last_name",
        "email",
        "is_active",
        "roles",
    )
    list_columns = (
        "username",
        "first_name",
        "last_name",
        "email",
        "is_active",
        "is_superuser",
    )
    list_filter = ()
    filter_horizontal = ()
    change_list_template = "console/list.html"
    actions = None
    sortable_by = ()
    ordering = ("-pk",)
    search_fields = ("username", "email")
    search_help_text = _("Name or e-mail")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (_("Access"), {"fields": ("is_active", "is_staff", "groups")}),
    )

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[KeyChangeList]:
        return KeyChangeList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> User | None:
        # Django fails if the address ends with "?_to_field=".
        found: User | None = super().get_object(request, object_id, from_field or None)
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users: QuerySet[User] = super().get_queryset(request)
        return users.prefetch_related("groups")

    @admin.display(description=_("Roles"))
    def roles(self, row: User) -> str:
        names = [_("everything")] if row.is_superuser else []
        return ", ".join(map(str, [*names, *(g.name for g in row.groups.all())])) or "–"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "people")

    def has_view_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return may(request.user, "people")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "people")

    def has_change_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        # Otherwise an admin could take over the account of a superuser.
        if isinstance(obj, User) and obj.is_superuser and obj != request.user:
            return bool(request.user.is_superuser)
        return may(request.user, "people")

    def has_delete_permission(
        self, request: HttpRequest, obj: Model | None = None
    ) -> bool:
        return False

    def user_change_password(
        self,
        request: HttpRequest,
        id: str,  # noqa: A002 - Django's name
        form_url: str = "",
    ) -> HttpResponse:
        """Change a password, or disable it, which revokes tokens as a new one does."""
        answer = super().user_change_password(request, id, form_url)
        user = self.get_object(request, unquote(id))
        if request.method == "POST" and user and not user.has_usable_password():
            revoke_tokens(user)
        return answer

    def save_related(
        self, request: HttpRequest, form: ModelForm[User], formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        user = form.instance
        record_entry(
            origin=Origin.from_request(request),
            at=timezone.now(),
            actor=request.user.get_username(),
            verb=AuditEntry.Verb.USER_CHANGED
            if change
            else AuditEntry.Verb.USER_CREATED,
            target=f"user {user.get_username()}",
            detail={
                "fields": [
                    name for name in form.changed_data if "password" not in name
                ],
                "active": user.is_active,
                "roles": sorted(user.groups.values_list("name", flat=True)),
            },
        )
