"""The bars of benchmarks/placements.py. Each returns rows of the table."""
