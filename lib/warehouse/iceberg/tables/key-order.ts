import { columnList } from "../../sql/sql.ts";

/** The order of rows in the files of a table with a key, so that an upsert need not read all of them. */

/**
 * DuckDB reads a row group whole unless the statistics exclude all keys of a batch, so row groups are smaller
 * than its default of 122,880 rows. Smaller ones would make the files' footers expensive, which a commit
 * reads, too.
 */
export const KEYED_ROW_GROUP_ROWS = 10_240;
/** Of a table with a key. Only DuckDB's writer knows them; a *declared* sort order would stop it. */
export const KEYED_PROPERTIES = { "write.parquet.row-group-size": String(KEYED_ROW_GROUP_ROWS) };

/**
 * Distinct keys up to which a merge looks for each key in the statistics of files and row groups; DuckDB's
 * default is 50. It compares all of them with each row group. Batches of more keys use their range only.
 */
export const PRUNING_KEYS_MAX = 1_000;

/** Sorts rows by these columns. */
export const orderBy = (key: readonly string[]): string => (key.length === 0 ? "" : ` ORDER BY ${columnList(key)}`);
