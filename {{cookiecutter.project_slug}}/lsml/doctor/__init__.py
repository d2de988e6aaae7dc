"""Examines the installation for `manage.py doctor`. Changes nothing."""
