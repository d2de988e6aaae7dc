"""Append-only records: predictions, webhook events, audit entries, and their seals."""
