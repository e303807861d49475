import { identifier, SCHEMA } from "../sql/sql.ts";
import { SQL_TOKEN } from "../sql/tokenizer.ts";
import type { IcebergTables } from "./tables/tables.ts";

/**
 * Translates SQL that Tributary makes: each `"lakehouse"."name"` becomes the table's name in the catalog.
 * Strings and comments stay.
 */
export function withPhysicalNames(sql: string, tables: Pick<IcebergTables, "sqlOf">): string {
  const tokens = sql.match(SQL_TOKEN) ?? [];
  const schema = identifier(SCHEMA);
  const out: string[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const [first, dot, name] = tokens.slice(at, at + 3);
    if (first === schema && dot === "." && name?.startsWith('"') && tokens[at - 1] !== ".") {
      out.push(tables.sqlOf(name.slice(1, -1).replaceAll('""', '"')));
      at += 2;
    } else out.push(first!);
  }
  return out.join("");
}
