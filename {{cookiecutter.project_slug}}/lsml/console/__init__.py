"""The Django admin: home, lists, detail pages, actions."""
