#!/bin/sh
# Brings Superset's metadata up to date and makes the administrator; harmless when repeated.
set -eu
superset db upgrade
# By environment, since others on this machine may list arguments.
FLASK_FAB_CREATE_ADMIN_PASSWORD="$SUPERSET_ADMIN_PASSWORD" superset fab create-admin --username "$SUPERSET_ADMIN_USER" \
    --firstname Superset --lastname Admin --email admin@localhost
superset init
