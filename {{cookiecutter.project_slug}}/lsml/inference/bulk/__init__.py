"""Bulk predictions: the tasks of a project, in a worker, in steps.

Label Studio's "Retrieve predictions" sends a whole project in one request, which times
out after 100 s. A job has no time limit, resumes where it was interrupted, and leaves
each prediction in Label Studio once, however often it runs.
"""
