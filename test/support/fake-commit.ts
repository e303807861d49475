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
  const old = onlyOnes(before, placeOf);
  const after = before.filter(({ file }) => !newest.has(file));
  for (const row of [...newest.values()].flatMap(({ rows }) => rows)) {
    const there = old.get(placeOf(row));
    after.push(there && sameValues(there, row) ? there : row);
  }
  return changes(before, after, placeOf);
}

function upserted(before: readonly FakeRow[], files: readonly FakeVersion[], layout: TableLayout): Applied {
  const keyOf = (row: FakeRow): string => JSON.stringify(layout.key.map((name) => String(row.values[name])));
  const old = onlyOnes(before, keyOf);
  const ascending = before.toSorted((a, b) => a.offset - b.offset || a.row - b.row);
  const after = new Map(ascending.map((row) => [keyOf(row), row]));
  const confirmsUpTo = new Map(files.map((file) => [file.versionOffset ?? file.sourceOffset, file.confirmsUpTo ?? -1]));
  const touched = new Set<string>();
  for (const { sourceFile, sourceOffset, rows } of files) {
    const sent = new Set(rows.map(keyOf));
    for (const key of sent) touched.add(key);
    for (const row of rows) if (isNewer(row, after.get(keyOf(row)))) after.set(keyOf(row), row);
    if (!layout.deleteMissing) continue;
    for (const row of before) if (row.file === sourceFile && row.offset < sourceOffset) touched.add(keyOf(row));
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
  const untouched = before.filter((row) => !old.has(keyOf(row)) && !touched.has(keyOf(row)));
  for (const row of untouched) after.delete(keyOf(row));
  return changes(before, [...after.values(), ...untouched], keyOf);
}

/** The rows whose name no other row has. */
function onlyOnes(rows: readonly FakeRow[], nameOf: (row: FakeRow) => string): Map<string, FakeRow> {
  const named = new Map(rows.map((row) => [nameOf(row), row]));
  const seen = new Set<string>();
  for (const row of rows) if (seen.size === seen.add(nameOf(row)).size) named.delete(nameOf(row));
  return named;
}

/** Of several rows with one name, those that do not stay are deleted, and the one that stays is inserted. */
function changes(before: readonly FakeRow[], rows: FakeRow[], nameOf: (row: FakeRow) => string): Applied {
  const old = onlyOnes(before, nameOf);
  const stays = new Set(rows);
  const now = new Set(rows.map(nameOf));
  const several = before.filter((row) => !old.has(nameOf(row)));
  const settled = new Set(several.filter((row) => !stays.has(row)).map(nameOf));
  const inserted = rows.filter((row) => settled.has(nameOf(row)) || !(old.has(nameOf(row)) || several.includes(row)));
  const rowsUpdated = rows.filter((row) => old.has(nameOf(row)) && old.get(nameOf(row)) !== row).length;
  const gone = before.filter((row) => (old.has(nameOf(row)) ? !now.has(nameOf(row)) : settled.has(nameOf(row))));
  return { rows, rowsInserted: inserted.length, rowsUpdated, rowsDeleted: gone.length };
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
