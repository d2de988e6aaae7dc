"""Permissions of the service, and the four roles that carry them."""
