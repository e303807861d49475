import { isInternalTable } from "../internal-tables.ts";

/**
 * Names of tables in an Iceberg catalog. Catalogs that follow the rules of S3 table buckets (SeaweedFS, AWS)
 * take only a to z, digits and underscores, and no underscore at the start. So `_ingest_files` is stored as
 * `tributary_ingest_files`, and a name with other characters as `tributary_x_` and its escaped form. Each
 * name has one form, and each form one name.
 */
const INTERNAL = "tributary";
const ESCAPED = "tributary_x_";
const PLAIN = /^[a-z0-9][a-z0-9_]*$/;

const SCRATCH = "tributary_compact_";

/** The name in the catalog of the table that a compaction of a table writes. */
export const scratchName = (table: string): string => SCRATCH + physicalName(table);

export const isScratch = (physical: string): boolean => physical.startsWith(SCRATCH);

/** The table's name in the catalog. */
export function physicalName(table: string): string {
  if (isInternalTable(table)) return INTERNAL + table;
  const isPlain = PLAIN.test(table) && !table.startsWith(ESCAPED) && !isScratch(table) && !isInternal(table);
  return isPlain ? table : ESCAPED + escaped(table);
}

/** The table's name in the port; undefined for a name in the catalog that no table of the port has. */
export function logicalName(physical: string): string | undefined {
  if (isInternal(physical)) return physical.slice(INTERNAL.length);
  if (!physical.startsWith(ESCAPED)) return PLAIN.test(physical) ? physical : undefined;
  const name = unescaped(physical.slice(ESCAPED.length));
  return name !== undefined && physicalName(name) === physical ? name : undefined;
}

const isInternal = (physical: string): boolean =>
  physical.startsWith(INTERNAL) && isInternalTable(physical.slice(INTERNAL.length));

/**
 * Letters and digits stay; of everything else, underscores included, each byte becomes `_` and two digits.
 */
const escaped = (name: string): string =>
  [...Buffer.from(name, "utf8")]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[a-z0-9]/.test(character) ? character : `_${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");

function unescaped(text: string): string | undefined {
  if (!/^(?:[a-z0-9]|_[0-9a-f]{2})+$/.test(text)) return undefined;
  const bytes = text.replace(/_([0-9a-f]{2})|([a-z0-9])/g, (_all, code: string | undefined, plain: string) =>
    code === undefined ? plain.charCodeAt(0).toString(16).padStart(2, "0") : code,
  );
  return Buffer.from(bytes, "hex").toString("utf8");
}
