"""Answers tasks: pick the version, load it once, predict, record."""
