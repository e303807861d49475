import type { FileVersion, TableDescription, TableLayout } from "../../warehouse.ts";
import { UNIQUE_KEY_PROPERTY, WATERMARK_PROPERTY, type BaseState } from "./bases.ts";

/** What is certain of a batch and its table, so that the commit need not read the table to find it out. */
export interface Known {
  /** The table has no row of the batch's versions. */
  rowsAreNew: boolean;
  /** The table has no two rows with the same key. */
  keysAreUnique: boolean;
  tableIsEmpty: boolean;
  /** All versions of the batch are newer than every row of the table. */
  versionsAreNew: boolean;
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
  const versionsAreNew = base.watermark !== undefined && oldest > base.watermark;
  return {
    rowsAreNew: layout.mode === "append" && versionsAreNew,
    keysAreUnique: base.uniqueKey === "any" || (key !== undefined && base.uniqueKey === key),
    versionsAreNew,
    tableIsEmpty: base.snapshotId === undefined,
  };
}

type Version = Pick<FileVersion, "sourceOffset" | "versionOffset"> & { rowsOffset?: number | undefined };

/**
 * The state of the table after a commit of these versions, without its snapshot. Files whose records come
 * along are among them, also without rows: the watermark tells whether they have been applied (torn.ts).
 */
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

/** The names of the key's columns. An empty table has none, nor one that upserts have not written alone. */
export const keyNamesIn = (uniqueKey: string | undefined): string[] =>
  uniqueKey === undefined || uniqueKey === "any"
    ? []
    : (JSON.parse(uniqueKey) as [string, string][]).map(([name]) => name);
