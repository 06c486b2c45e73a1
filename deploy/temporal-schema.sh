#!/bin/sh
# Creates Temporal's two databases and brings their schema up to date. Every step
# may be repeated, so the first start and an upgrade run the same script.
set -eu
SQL_PASSWORD=$(cat "$SQL_PASSWORD_FILE")
export SQL_PASSWORD # where the tool looks for it
for database in temporal temporal_visibility; do
  schema=temporal
  [ "$database" = temporal_visibility ] && schema=visibility
  tool="temporal-sql-tool --plugin $SQL_PLUGIN --ep $SQL_HOST -p $SQL_PORT -u $SQL_USER --db $database"
  $tool create
  $tool setup-schema -v 0.0
  $tool update-schema --schema-name "postgresql/v12/$schema"
done
