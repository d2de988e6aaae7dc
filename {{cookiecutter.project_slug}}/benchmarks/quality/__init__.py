"""Simulations of the statistics behind docs/quality.md, with fixed seeds."""
