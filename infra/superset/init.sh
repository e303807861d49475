#!/bin/sh
# Brings Superset's metadata up to date and makes the administrator; harmless when repeated.
set -eu
superset db upgrade
superset fab create-admin --username "$SUPERSET_ADMIN_USER" --firstname Superset --lastname Admin \
    --email admin@localhost --password "$SUPERSET_ADMIN_PASSWORD"
superset init
