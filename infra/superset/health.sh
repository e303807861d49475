# Health check: is /health 200? It starts one shell and no Python.
exec 3<>/dev/tcp/127.0.0.1/8088 || exit 1
printf 'GET /health HTTP/1.0\r\n\r\n' >&3
IFS=' ' read -r -t 4 _ status _ <&3
[ "$status" = 200 ]
