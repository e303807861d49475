#!/bin/sh
# Migrates Superset's metadata and creates the administrator. Safe to repeat.
set -eu
superset db upgrade
# Pass the password in the environment, because other users of this machine can list process arguments.
FLASK_FAB_CREATE_ADMIN_PASSWORD="$SUPERSET_ADMIN_PASSWORD" superset fab create-admin --username "$SUPERSET_ADMIN_USER" \
    --firstname Superset --lastname Admin --email admin@localhost
superset init
