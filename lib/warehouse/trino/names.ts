import { isInternalTable } from "../internal-tables.ts";
import { identifier, SCHEMA } from "../sql/sql.ts";
import { SQL_TOKEN } from "../sql/tokenizer.ts";

/**
 * Prefix of our internal tables in Trino. Iceberg catalogs that follow the rules of S3 table buckets
 * (SeaweedFS, AWS) reject names that start with an underscore, so Trino stores `_ingest_files` as
 * `tributary_ingest_files`. Callers of the port use `_ingest_files`.
 */
const PREFIX = "tributary";

/** Returns the table's name in Trino's catalog. */
export const physicalName = (table: string): string => (isInternalTable(table) ? PREFIX + table : table);

/** Returns the table's name in the port. */
export function logicalName(physical: string): string {
  const table = physical.slice(PREFIX.length);
  return physical.startsWith(PREFIX) && isInternalTable(table) ? table : physical;
}

/** Returns the table's quoted name in the session's schema. `suffix` selects a metadata table (`$files`). */
export const tableSql = (table: string, suffix = ""): string => identifier(physicalName(table) + suffix);

/**
 * Translates SQL from the port's names to Trino's names. It replaces the names of our internal tables as
 * above, and the schema `lakehouse` with the schema in the warehouse's URL. It does not change strings and
 * comments.
 */
export function withPhysicalNames(sql: string, schema: string): string {
  let before = "";
  return sql.replace(SQL_TOKEN, (token, at: number) => {
    const qualifier = before !== "." && sql[at + token.length] === ".";
    before = token;
    const quoted = /^"([a-z_]+)(\$[a-z_]+)?"$/.exec(token);
    const name = quoted ? quoted[1]! : token.toLowerCase();
    if (qualifier && name === SCHEMA) return identifier(schema);
    return isInternalTable(name) ? tableSql(name, quoted?.[2]) : token;
  });
}
