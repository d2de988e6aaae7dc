"""Brings predictions and Label Studio's order of tasks up to the served version.

A promotion starts nothing by itself. A check compares what is there with what should be
and does the next step. Beat has all projects checked each minute; a promotion, a change
of the settings and the end of a bulk prediction wake a worker at once. So it does not
matter which message is lost, or where a worker is killed.
"""
