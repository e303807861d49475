#!/bin/sh
# The PostgreSQL image runs this script once, on a new volume. It creates a database and a user for Trino's JDBC
# catalog and for Superset, and a user that the exporter reads statistics with. psql reads the passwords itself,
# because other users of this machine can list process arguments.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres <<'SQL'
\getenv catalog_password CATALOG_PASSWORD
\getenv superset_password SUPERSET_DB_PASSWORD
\getenv monitoring_password MONITORING_DB_PASSWORD
CREATE ROLE monitoring LOGIN PASSWORD :'monitoring_password';
GRANT pg_monitor TO monitoring;
CREATE ROLE catalog LOGIN PASSWORD :'catalog_password';
CREATE DATABASE catalog OWNER catalog;
CREATE ROLE superset LOGIN PASSWORD :'superset_password';
CREATE DATABASE superset OWNER superset;
\connect catalog
SET ROLE catalog;
\i /etc/tributary/catalog-schema.sql
SQL
