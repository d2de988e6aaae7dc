"""`make demo`: bakes the default project, runs it, and acts as Label Studio."""
