"""Benchmarks. Each compares measurements that were made in the same run."""
