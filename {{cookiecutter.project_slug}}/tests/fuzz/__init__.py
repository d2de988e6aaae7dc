"""Sends mutated requests to the running service, and checks every answer.

`python -m tests.fuzz --requests 20000 --seed 1`, or `make fuzz N=20000`.
"""
