"""`manage.py backup` and `restore`: the database and the artifacts, as files."""
