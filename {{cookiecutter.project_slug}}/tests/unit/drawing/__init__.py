"""Drawings: plain functions from results to markup."""
