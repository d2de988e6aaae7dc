"""Append-only records: predictions, webhook events, actions, and their seals."""
