#!/bin/sh
# The PostgreSQL image runs this script once, on a new volume. It creates a database and a user for the
# Iceberg catalog and for Superset.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres \
    --set catalog_password="$CATALOG_PASSWORD" --set superset_password="$SUPERSET_DB_PASSWORD" <<'SQL'
CREATE ROLE catalog LOGIN PASSWORD :'catalog_password';
CREATE DATABASE catalog OWNER catalog;
CREATE ROLE superset LOGIN PASSWORD :'superset_password';
CREATE DATABASE superset OWNER superset;
\connect catalog
SET ROLE catalog;
\i /etc/tributary/catalog-schema.sql
SQL
