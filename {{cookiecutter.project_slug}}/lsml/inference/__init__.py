"""Answers tasks: picks the version, loads it once, predicts, records."""
