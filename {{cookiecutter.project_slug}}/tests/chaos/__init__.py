"""Kills what can be killed, at random moments, and then balances the books.

`python -m tests.chaos --actions 100`, or `make chaos N=100`.
"""
