"""Simulations of the statistics of quality, with fixed seeds."""
