"""`make demo`: bakes the default project, runs it, and plays Label Studio's part."""
