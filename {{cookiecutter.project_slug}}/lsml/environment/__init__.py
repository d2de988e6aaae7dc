"""Reads the environment for the settings, and checks the settings."""
