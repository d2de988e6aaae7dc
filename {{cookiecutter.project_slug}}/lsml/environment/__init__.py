"""The environment: reads it for the settings, and reports what is wrong with them."""
