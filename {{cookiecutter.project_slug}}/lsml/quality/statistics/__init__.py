"""Statistics of quality: intervals, paired comparisons, drops, calibration.

Pure functions of the standard library. docs/quality.md explains the figures that they
give, benchmarks/quality/ measures how good they are.
"""
