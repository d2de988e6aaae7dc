"""Injects faults at random moments, lets the service recover, and checks every record.

`python -m tests.chaos --actions 100`, or `make chaos N=100`.
"""
