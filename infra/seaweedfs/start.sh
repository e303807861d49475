#!/bin/sh
# Start script of SeaweedFS in compose: fills the environment's values into s3.json and notification.toml, then
# starts the server. awk reads them itself, because other users of this machine can list process arguments.
set -eu
umask 077
fill='{
  while (match($0, /\$\{[A-Z0-9_]+\}/))
    $0 = substr($0, 1, RSTART - 1) ENVIRON[substr($0, RSTART + 2, RLENGTH - 3)] substr($0, RSTART + RLENGTH)
  print
}'
for file in s3.json notification.toml; do awk "$fill" "/etc/tributary/$file" > "/tmp/$file"; done
# SeaweedFS reads notification.toml from the working directory. Docker rotates its log; without -logtostderr it
# would write a second one to /tmp.
cd /tmp
exec weed -logtostderr=true server -options=/etc/tributary/weed.options -dir=/data -ip=seaweedfs -ip.bind=0.0.0.0 \
    -volume.max="$SEAWEEDFS_VOLUMES_MAX" \
    -s3.port=8333 -s3.port.iceberg=8181 -s3.config=/tmp/s3.json -metricsPort=9327 -metricsIp=0.0.0.0
