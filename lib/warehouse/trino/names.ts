import { INTERNAL_TABLES } from "../internal-tables.ts";
import { identifier, SCHEMA } from "../sql/sql.ts";
import { SQL_TOKEN } from "../sql/tokenizer.ts";

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

/**
 * SQL in the port's names, in Trino's: our own tables are called as above, and the schema `lakehouse` is whichever the warehouse's URL
 * names. Strings and comments stay.
 */
export function withPhysicalNames(sql: string, schema: string): string {
  let before = "";
  return sql.replace(SQL_TOKEN, (token, at: number) => {
    const qualifier = before !== "." && sql[at + token.length] === ".";
    before = token;
    const quoted = /^"([a-z_]+)(\$[a-z_]+)?"$/.exec(token);
    const name = quoted ? quoted[1]! : token.toLowerCase();
    if (qualifier && name === SCHEMA) return identifier(schema);
    return name in INTERNAL_TABLES ? tableId(name, quoted?.[2]) : token;
  });
}
