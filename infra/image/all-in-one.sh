# Starts all services in one process. Others can reach the container's port, so without a key nobody may use it:
# the first start makes one, stores its hash in the data folder and prints the key, once.
set -eu
if [ -z "${TRIBUTARY_API_KEYS_FILE:-}${TRIBUTARY_OIDC_ISSUER:-}" ]; then
  export TRIBUTARY_API_KEYS_FILE="$TRIBUTARY_DATA_DIR/api-keys.yml"
  if [ ! -s "$TRIBUTARY_API_KEYS_FILE" ]; then
    tributary keys new --id admin --scopes admin --add-to "$TRIBUTARY_API_KEYS_FILE" >&2
  fi
fi
exec node dist/services/main.js
