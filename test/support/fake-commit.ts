import type { DecodedValue } from "../../lib/rows/row-decoder.ts";
import type { TableLayout } from "../../lib/warehouse/warehouse.ts";

/** A row of a table: its values by column name, and its audit columns. */
export interface FakeRow {
  values: Readonly<Record<string, DecodedValue>>;
  file: string;
  offset: number;
  row: number;
  /** Microseconds since 1970. */
  ingestedAt: bigint;
}

/** A file version to commit into a table in memory. */
export interface FakeVersion {
  sourceFile: string;
  sourceOffset: number;
  versionOffset?: number | undefined;
  confirmsUpTo?: number | undefined;
  undo?: "demote" | "remove" | undefined;
  /** Also empty for a deleted file. */
  rows: readonly FakeRow[];
}

export interface Applied {
  rows: FakeRow[];
  rowsInserted: number;
  rowsUpdated: number;
  rowsDeleted: number;
}

/**
 * Applies file versions to a table's rows as Warehouse.commit does. Versions ascend and are not recorded yet.
 */
export function applied(before: readonly FakeRow[], files: readonly FakeVersion[], layout: TableLayout): Applied {
  const [first] = files;
  if (first?.undo) return undone(before, first, first.undo, layout);
  if (layout.mode === "append") return appended(before, files);
  return layout.mode === "replace" ? replaced(before, files) : upserted(before, files, layout);
}

const DEMOTED = -1;

function undone(
  before: readonly FakeRow[],
  { sourceFile, sourceOffset }: FakeVersion,
  step: "demote" | "remove",
  { mode }: TableLayout,
): Applied {
  const isOlder = ({ file, offset }: FakeRow): boolean => file === sourceFile && offset < sourceOffset;
  if (step === "demote") {
    const rows = before.map((row) => (isOlder(row) && row.offset !== DEMOTED ? { ...row, offset: DEMOTED } : row));
    return { rows, rowsInserted: 0, rowsUpdated: rows.filter((row, at) => row !== before[at]).length, rowsDeleted: 0 };
  }
  const goes = (row: FakeRow): boolean => isOlder(row) && (mode !== "upsert" || row.offset === DEMOTED);
  const rows = before.filter((row) => !goes(row));
  return { rows, rowsInserted: 0, rowsUpdated: 0, rowsDeleted: before.length - rows.length };
}

function appended(before: readonly FakeRow[], files: readonly FakeVersion[]): Applied {
  const byIdentity = new Map(before.map((row) => [identityOf(row), row]));
  for (const row of files.flatMap(({ rows }) => rows)) {
    if (!byIdentity.has(identityOf(row))) byIdentity.set(identityOf(row), row);
  }
  return changes(before, [...byIdentity.values()], identityOf);
}

function replaced(before: readonly FakeRow[], files: readonly FakeVersion[]): Applied {
  const newest = new Map(files.map((version) => [version.sourceFile, version]));
  const old = new Map(before.map((row) => [placeOf(row), row]));
  const after = before.filter(({ file }) => !newest.has(file));
  for (const row of [...newest.values()].flatMap(({ rows }) => rows)) {
    const there = old.get(placeOf(row));
    after.push(there && sameValues(there, row) ? there : row);
  }
  return changes(before, after, placeOf);
}

function upserted(before: readonly FakeRow[], files: readonly FakeVersion[], layout: TableLayout): Applied {
  const keyOf = (row: FakeRow): string => JSON.stringify(layout.key.map((name) => String(row.values[name])));
  const old = new Map(before.map((row) => [keyOf(row), row]));
  const after = new Map(old);
  const confirmsUpTo = new Map(files.map((file) => [file.versionOffset ?? file.sourceOffset, file.confirmsUpTo ?? -1]));
  for (const { sourceFile, sourceOffset, rows } of files) {
    const sent = new Set(rows.map(keyOf));
    for (const row of rows) if (isNewer(row, after.get(keyOf(row)))) after.set(keyOf(row), row);
    if (!layout.deleteMissing) continue;
    for (const [key, row] of after) {
      if (row.file === sourceFile && row.offset < sourceOffset && !sent.has(key)) after.delete(key);
    }
  }
  // A row whose final values equal its initial values counts as unchanged, unless it is confirmed.
  for (const [key, row] of after) {
    const there = old.get(key);
    if (there?.offset === DEMOTED) continue;
    if (there && row !== there && there.offset <= (confirmsUpTo.get(row.offset) ?? -1)) continue;
    if (there && sameValues(there, row) && (!layout.deleteMissing || there.file === row.file)) after.set(key, there);
  }
  return changes(before, [...after.values()], keyOf);
}

function changes(before: readonly FakeRow[], rows: FakeRow[], nameOf: (row: FakeRow) => string): Applied {
  const old = new Map(before.map((row) => [nameOf(row), row]));
  const now = new Set(rows.map(nameOf));
  const rowsInserted = rows.filter((row) => !old.has(nameOf(row))).length;
  const rowsUpdated = rows.filter((row) => old.has(nameOf(row)) && old.get(nameOf(row)) !== row).length;
  const rowsDeleted = before.filter((row) => !now.has(nameOf(row))).length;
  return { rows, rowsInserted, rowsUpdated, rowsDeleted };
}

const identityOf = ({ file, offset, row }: FakeRow): string => JSON.stringify([file, offset, row]);
const placeOf = ({ file, row }: FakeRow): string => JSON.stringify([file, row]);

const isNewer = (row: FakeRow, old: FakeRow | undefined): boolean =>
  !old || row.offset > old.offset || (row.offset === old.offset && row.row >= old.row);

function sameValues(a: FakeRow, b: FakeRow): boolean {
  const names = new Set([...Object.keys(a.values), ...Object.keys(b.values)]);
  return [...names].every((name) => {
    const [one, other] = [a.values[name] ?? null, b.values[name] ?? null];
    return one === other || (Number.isNaN(one) && Number.isNaN(other));
  });
}
