"""Groups failed predictions and failed runs by what failed: docs/adr/0055."""
