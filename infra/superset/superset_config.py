"""Superset's settings; what differs between installations comes from the environment."""
import os

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
# PostgreSQL: in SQLite two datasets may not have the same table name.
SQLALCHEMY_DATABASE_URI = os.environ["SUPERSET_DATABASE_URI"]
ROW_LIMIT = 10_000
SUPERSET_WEBSERVER_TIMEOUT = 120
