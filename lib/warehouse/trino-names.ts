import { identifier, INTERNAL_TABLES } from "./sql.ts";
import { SQL_TOKEN } from "./trino-query.ts";

/**
 * What our own tables are called in Trino. Iceberg catalogs that follow the rules of S3 table buckets (SeaweedFS, AWS) refuse names that
 * begin with an underscore, so `_ingest_files` is stored as `tributary_ingest_files`; whoever asks through the port uses the first name.
 */
const PREFIX = "tributary";

/** The name of a table in Trino's catalog. */
export const physicalName = (table: string): string => (table in INTERNAL_TABLES ? PREFIX + table : table);

/** The name of a table in the port. */
export function logicalName(physical: string): string {
  const table = physical.slice(PREFIX.length);
  return physical.startsWith(PREFIX) && table in INTERNAL_TABLES ? table : physical;
}

/** The table quoted, as Trino knows it in the session's schema; `suffix` names a metadata table (`$files`). */
export const tableId = (table: string, suffix = ""): string => identifier(physicalName(table) + suffix);

/** SQL with the names of our own tables replaced by those Trino has; strings and comments stay. */
export function withPhysicalNames(sql: string): string {
  return sql.replace(SQL_TOKEN, (token) => {
    const quoted = /^"(_[a-z_]+)(\$[a-z_]+)?"$/.exec(token);
    const name = quoted ? quoted[1]! : token.toLowerCase();
    return name in INTERNAL_TABLES ? tableId(name, quoted?.[2]) : token;
  });
}
