"""PostgreSQL and a broker from wheels, for development and tests. Plain Python."""
