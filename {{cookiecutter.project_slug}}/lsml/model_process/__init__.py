"""Calls to the model process, over a unix socket or HTTP. Uses no database."""
