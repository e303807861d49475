#!/bin/sh
# Start script of SeaweedFS in compose: fills the keys into s3.json and notification.toml, then starts the
# server.
set -eu
umask 077
sed -e "s|\${TRIBUTARY_S3_ACCESS_KEY}|$TRIBUTARY_S3_ACCESS_KEY|" \
    -e "s|\${TRIBUTARY_S3_SECRET_KEY}|$TRIBUTARY_S3_SECRET_KEY|" \
    /etc/tributary/s3.json > /tmp/s3.json
sed -e "s|\${TRIBUTARY_GATEWAY_URL}|http://gateway:8080|" \
    -e "s|\${TRIBUTARY_NOTIFICATIONS_KEY}|$TRIBUTARY_NOTIFICATIONS_KEY|" \
    -e "s|\${TRIBUTARY_DROPS_BUCKET}|$TRIBUTARY_DROPS_BUCKET|" \
    /etc/tributary/notification.toml > /tmp/notification.toml
# SeaweedFS reads notification.toml from the working directory.
cd /tmp
exec weed server -options=/etc/tributary/weed.options -dir=/data -ip=seaweedfs -ip.bind=0.0.0.0 \
    -s3.port=8333 -s3.port.iceberg=8181 -s3.config=/tmp/s3.json -metricsPort=9327 -metricsIp=0.0.0.0
