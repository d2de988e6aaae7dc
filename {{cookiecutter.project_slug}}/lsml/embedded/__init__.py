"""PostgreSQL and a broker from Python wheels, for development and tests."""
