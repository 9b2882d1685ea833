#!/bin/sh
# Roles and databases, made at the server's first start. Neither Treadle nor Temporal is a superuser:
# superusers see the rows of all tenants.
set -eu
psql --username "$POSTGRES_USER" --set ON_ERROR_STOP=1 \
    --set treadle="$TREADLE_PASSWORD" --set temporal="$TEMPORAL_PASSWORD" <<'SQL'
create role treadle login password :'treadle';
create role temporal login password :'temporal';
create database agents owner treadle;
create database temporal owner temporal;
create database temporal_visibility owner temporal;
SQL
