"""The console without a database: numbers and charts."""
