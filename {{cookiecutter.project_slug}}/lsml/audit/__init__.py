"""Append-only records: predictions, webhook events, actions, and the seals over them."""
