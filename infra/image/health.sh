# Health check of the image: is /readyz 200? It starts one shell and no Node.
# With TLS it asks only whether the port accepts connections.
set -u
exec 3<>"/dev/tcp/127.0.0.1/${HEALTH_PORT:-8080}" || exit 1
[ -z "${TRIBUTARY_TLS_CERT_FILE:-}" ] || exit 0
printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
IFS=' ' read -r -t 4 _ status _ <&3
[ "$status" = 200 ]
