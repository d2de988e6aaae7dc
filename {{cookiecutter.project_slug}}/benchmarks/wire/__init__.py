"""The parts of benchmarks/speed.py (`make bench`)."""
