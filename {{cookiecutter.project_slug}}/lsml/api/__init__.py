"""The wire: what Label Studio calls, and the operators' REST API."""
