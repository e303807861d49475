import { duckdb } from "../../duckdb-engine/dialect.ts";
import type { FileVersion, TableDescription, TableLayout } from "../../warehouse.ts";
import { UNIQUE_KEY_PROPERTY, WATERMARK_PROPERTY, type BaseState } from "./bases.ts";
import type { IcebergContext } from "./context.ts";

/** What is certain of a batch and its table, so that the commit need not read the table to find it out. */
export interface Known {
  /** The table has no row of the batch's versions. */
  rowsAreNew: boolean;
  /** The table has no two rows with the same key. */
  keysAreUnique: boolean;
  tableIsEmpty: boolean;
}

export function knownOf(
  layout: TableLayout,
  description: TableDescription,
  files: readonly Version[],
  base: BaseState,
): Known {
  const oldest = Math.min(
    ...files.map(({ sourceOffset, versionOffset, rowsOffset }) => rowsOffset ?? versionOffset ?? sourceOffset),
  );
  const key = keyOf(layout, description);
  return {
    rowsAreNew: layout.mode === "append" && base.watermark !== undefined && oldest > base.watermark,
    keysAreUnique: base.uniqueKey === "any" || (key !== undefined && base.uniqueKey === key),
    tableIsEmpty: base.snapshotId === undefined,
  };
}

type Version = Pick<FileVersion, "sourceOffset" | "versionOffset"> & { rowsOffset?: number | undefined };

/** The state of the table after a commit of these versions, without its snapshot. */
export function stateAfter(
  layout: TableLayout,
  description: TableDescription,
  files: readonly Version[],
  base: BaseState,
): Pick<BaseState, "watermark" | "uniqueKey"> {
  const { watermark, uniqueKey } = base;
  const key = keyOf(layout, description);
  return {
    watermark:
      watermark === undefined ? undefined : Math.max(watermark, ...files.map(({ sourceOffset }) => sourceOffset)),
    uniqueKey: uniqueKey === "any" || uniqueKey === key ? key : undefined,
  };
}

/** What the snapshot's summary says of that state. */
export const summaryOf = ({ watermark, uniqueKey }: Pick<BaseState, "watermark" | "uniqueKey">) => ({
  ...(watermark === undefined ? {} : { [WATERMARK_PROPERTY]: String(watermark) }),
  ...(uniqueKey === undefined ? {} : { [UNIQUE_KEY_PROPERTY]: uniqueKey }),
});

/** The key that an upsert keeps unique: equal values of other types may be one key. */
function keyOf({ mode, key }: TableLayout, { columns }: TableDescription): string | undefined {
  if (mode !== "upsert") return undefined;
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  return JSON.stringify(key.map((name) => [name, types.get(name)]));
}

/** Completes what a writer remembers of a table after it has read its state again. */
export async function learn(context: IcebergContext, table: string, base: BaseState): Promise<BaseState> {
  const { bases, session, tables } = context;
  if (bases.recorded(table) === undefined) {
    // By its snapshot: where the clock is behind, DuckDB does not see what others have just recorded.
    const at = (await tables.load("_ingest_files"))?.currentSnapshotId;
    const of = `${tables.sqlOf("_ingest_files")} AT (VERSION => ${at}) WHERE table_name = ${duckdb.stringLiteral(table)}`;
    bases.setRecorded(table, at === undefined ? -1 : await highest(`SELECT max(source_offset) FROM ${of}`));
  }
  if (base.watermark !== undefined || base.snapshotId === undefined) return base;
  const rows = `${tables.sqlOf(table)} AT (VERSION => ${base.snapshotId})`;
  const known = { ...base, watermark: await highest(`SELECT max("_source_offset") FROM ${rows}`) };
  bases.set(table, known);
  return known;

  async function highest(select: string): Promise<number> {
    const [row] = await session.rows(select);
    return Number(row?.[0] ?? -1);
  }
}
