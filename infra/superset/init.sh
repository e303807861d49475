#!/bin/sh
# Migrates Superset's metadata and creates the administrator, once for each version of Superset and administrator:
# every `docker compose up` runs this job. The metadata itself says what was done, so a restored backup is migrated
# again. Safe to repeat.
set -eu
state="$SUPERSET_VERSION $SUPERSET_ADMIN_USER"
if [ "$(python3 /app/state.py read)" = "$state" ]; then echo "Superset is set up: $state"; exit 0; fi
superset db upgrade
# Pass the password in the environment, because other users of this machine can list process arguments.
FLASK_FAB_CREATE_ADMIN_PASSWORD="$SUPERSET_ADMIN_PASSWORD" superset fab create-admin --username "$SUPERSET_ADMIN_USER" \
    --firstname Superset --lastname Admin --email admin@localhost
superset init
python3 /app/state.py write "$state"
