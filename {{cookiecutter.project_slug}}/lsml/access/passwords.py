"""What else a new password changes, as an entry of AUTH_PASSWORD_VALIDATORS."""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from knox.models import AuthToken


class TokenRevoker:
    """Deletes a person's API tokens when the person gets a new password.

    Django calls `password_changed` for new passwords only, not when a login stores the
    old one with a newer hash.
    """

    def validate(self, password: str, user: Any = None) -> None:
        """Accept every password."""

    def get_help_text(self) -> str:
        """Return what the form says about it."""
        return "The user's API tokens are revoked."

    def password_changed(self, password: str, user: Any = None) -> None:
        """Delete all tokens of a user."""
        if user is not None and user.pk:
            revoke_tokens(user)


def revoke_tokens(user: AbstractBaseUser) -> None:
    """Delete all API tokens of a user."""
    AuthToken.objects.filter(user_id=user.pk).delete()
