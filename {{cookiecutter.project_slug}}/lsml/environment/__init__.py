"""The environment: variables read for the settings, checks, the database connection."""
