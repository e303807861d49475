"""Superset's settings. Values that differ between installations come from the environment."""
import os

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
# Use PostgreSQL: with SQLite, two datasets cannot have the same table name.
SQLALCHEMY_DATABASE_URI = os.environ["SUPERSET_DATABASE_URI"]
ROW_LIMIT = 10_000
SUPERSET_WEBSERVER_TIMEOUT = 120
