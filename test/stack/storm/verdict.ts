import type { StormReader } from "./readers.ts";
import { TABLES, type Content, type StormRow, type StormTable } from "./tables.ts";
import type { Sent } from "./traffic.ts";

/** A file version in `_ingest_files`. */
export interface LedgerRow {
  fileId: string;
  table: string;
  file: string;
  offset: number;
  /** Offset of the version: a repetition has that of the event that it repeats. */
  version: number;
  hash: string;
  status: string;
  read: number;
  committed: number;
  rejected: number;
  error: string | null;
  /** Of the rows and this record; null: they were committed apart. */
  transaction: string | null;
  /** The rows were loaded by a plan. */
  isPlanned: boolean;
}

/** `_ingest_files`, oldest first. */
export async function readLedger(reader: StormReader): Promise<LedgerRow[]> {
  const rows = await reader.rows(
    `SELECT file_id, table_name, file_key, source_offset, content_hash, status, rows_read, rows_committed, rows_rejected,
       error_code || ': ' || error_message, transaction_id, coalesce(dialect LIKE '%"load":"by a plan%', false),
       coalesce(version_offset, source_offset)
     FROM tributary_ingest_files ORDER BY source_offset`,
  );
  return rows.map(([fileId, table, file, offset, hash, status, read, committed, rejected, error, ...more]) => ({
    ...{ fileId: String(fileId), table: String(table), file: String(file), offset: Number(offset) },
    ...{ hash: String(hash), status: String(status), error: error as string | null },
    ...{ transaction: more[0] as string | null, isPlanned: more[1] === true },
    version: Number(more[2]),
    ...{ read: Number(read), committed: Number(committed), rejected: Number(rejected) },
  }));
}

/** How many transactions brought files of several tables, and how many files were loaded by a plan. */
export function coverageOf(ledger: readonly LedgerRow[]): { shared: number; planned: number } {
  const tables = new Map<string, Set<string>>();
  for (const { transaction, table } of ledger) {
    if (transaction !== null) tables.set(transaction, (tables.get(transaction) ?? new Set()).add(table));
  }
  return {
    shared: [...tables.values()].filter(({ size }) => size > 1).length,
    planned: ledger.filter(({ isPlanned, committed }) => isPlanned && committed > 0).length,
  };
}

/** What was sent and is not recorded yet. */
export function outstanding({ accepted, drops }: Sent, ledger: readonly LedgerRow[]): string[] {
  const ids = new Set(ledger.map(({ fileId }) => fileId));
  const newest = new Map(ledger.map((row) => [`${row.table}/${row.file}`, row]));
  const missingDrops = [...drops].filter(([key, content]) => {
    const found = newest.get(key);
    return content === null ? found !== undefined && !isDeletion(found) : found?.hash !== content.hash;
  });
  return [...[...accepted].filter((id) => !ids.has(id)), ...missingDrops.map(([key]) => key)];
}

const isDeletion = ({ read, hash, status }: LedgerRow): boolean => status === "committed" && read === 0 && hash === "";

/** All violations after the storm; empty if no data was lost, duplicated or partially committed. */
export async function faultsFound(reader: StormReader, sent: Sent): Promise<string[]> {
  const ledger = await readLedger(reader);
  const faults = [...sent.unexpected, ...ledgerFaults(ledger, sent)];
  const rejected = await reader.rows(
    `SELECT file_id, count(*), count(DISTINCT source_row) FROM tributary_rejected_rows GROUP BY file_id`,
  );
  const rejects = new Map(rejected.map(([id, rows, distinct]) => [String(id), [Number(rows), Number(distinct)]]));
  for (const { fileId, rejected: expected } of ledger) {
    const [rows, distinct] = rejects.get(fileId) ?? [0, 0];
    if (rows !== expected || distinct !== expected)
      faults.push(
        `${fileId}: expected ${expected} rejects, but _rejected_rows holds ${rows} rows (${distinct} distinct)`,
      );
  }
  for (const table of TABLES) {
    if (ledger.some((row) => row.table === table.name && !isSetAside(row)))
      faults.push(...rowFaults(table, await rowsOf(reader, table), ledger, sent));
  }
  return faults;
}

/** The columns that identify a row and its version, in the order of `StormRow`. */
export const COMPARED = ["id", "stamp", "size", "amount", "day", "_source_file", "_source_row"] as const;

const rowsOf = (reader: StormReader, table: StormTable): Promise<unknown[][]> =>
  reader.rows(`SELECT ${COMPARED.map((name) => `CAST(${name} AS VARCHAR)`).join(", ")} FROM ${table.name}`);

/** Compares a table's rows, the COMPARED columns as text, with what was sent. */
export function rowFaults(
  table: StormTable,
  rows: readonly unknown[][],
  ledger: readonly LedgerRow[],
  sent: Sent,
): string[] {
  const versions = ledger.filter((row) => row.table === table.name && !isSetAside(row));
  const found = rows.map((row) => row.join("|")).sort();
  const expected = expectedRows(table, versions, sent.contents).sort();
  const missing = difference(expected, found);
  const extra = difference(found, expected);
  if (missing.length + extra.length === 0) return [];
  const some = (lines: readonly string[]): string => lines.slice(0, 3).join("  ");
  return [
    `${table.name}: ${found.length} rows, expected ${expected.length}; ` +
      `missing ${missing.length}: ${some(missing)}; extra ${extra.length}: ${some(extra)}`,
  ];
}

/** The table stays as it is: the file is held or cancelled, or a replay came too late. */
const isSetAside = ({ status, error }: LedgerRow): boolean =>
  status === "held" || /^FILE_(?:SUPERSEDED|CANCELLED):/.test(error ?? "");

/**
 * Held: it brings no row. Cancelled: somebody asked for it. Superseded: it repeats a version that is held, or
 * after which another content was applied, of its file or, with deleteMissing, of any file of the table.
 */
function mayBeSetAside(row: LedgerRow, ledger: readonly LedgerRow[], content: Content, sent: Sent): boolean {
  if (row.status === "held") return content.rows.every((cells) => cells === null);
  if (row.error?.startsWith("FILE_CANCELLED:")) return sent.cancelled.has(row.fileId);
  const before = ledger.filter(({ table, offset }) => table === row.table && offset < row.offset);
  const first = before.find(({ file, hash }) => file === row.file && hash === row.hash);
  if (!first || first.status === "held") return first !== undefined;
  const ofAnyFile = TABLES.some(({ name, deleteMissing }) => name === row.table && deleteMissing);
  return before.some(
    (one) =>
      (ofAnyFile || one.file === row.file) && one.offset > first.offset && one.hash !== row.hash && !isSetAside(one),
  );
}

function ledgerFaults(ledger: readonly LedgerRow[], sent: Sent): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const row of ledger) {
    if (seen.has(row.fileId)) faults.push(`${row.fileId} is recorded twice`);
    seen.add(row.fileId);
    if (isDeletion(row)) continue;
    const content = sent.contents.get(row.hash);
    if (!content) faults.push(`${row.fileId} holds content that was not sent: ${JSON.stringify(row)}`);
    else if (isSetAside(row)) {
      if (!mayBeSetAside(row, ledger, content, sent))
        faults.push(`${row.fileId} is not applied: ${JSON.stringify(row)}`);
    } else {
      const rejected = content.rows.filter((one) => one === null).length;
      const expected = [content.rows.length, content.rows.length - rejected, rejected];
      if (row.status === "failed" || [row.read, row.committed, row.rejected].join() !== expected.join())
        faults.push(`${row.fileId}: expected read, committed, rejected ${expected.join()}: ${JSON.stringify(row)}`);
    }
  }
  for (const id of sent.accepted) if (!seen.has(id)) faults.push(`${id} was accepted, but is not recorded`);
  return faults;
}

/** Multiset difference of two sorted lists: the elements of `these` that are not in `others`. */
function difference(these: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const one of others) left.set(one, (left.get(one) ?? 0) + 1);
  return these.filter((one) => {
    const count = left.get(one) ?? 0;
    left.set(one, count - 1);
    return count <= 0;
  });
}

/**
 * The expected table: every recorded version applied once, in the order of the versions. Between the choice of
 * what a replay repeats and its events a new version may arrive, which the repetitions do not overtake.
 */
function expectedRows(
  { mode, deleteMissing = false }: StormTable,
  recorded: readonly LedgerRow[],
  contents: ReadonlyMap<string, Content>,
): string[] {
  const linesOf = (row: LedgerRow): { key: string; line: string }[] =>
    (contents.get(row.hash)?.rows ?? []).flatMap((cells: StormRow | null, index) =>
      cells ? [{ key: cells[0], line: [...cells, row.file, index + 1].join("|") }] : [],
    );
  const versions = recorded.toSorted((a, b) => a.version - b.version || a.offset - b.offset);
  if (mode === "append") {
    // A replay has the content of its original and adds no rows.
    const originals = new Map(versions.map((row) => [row.hash, row]));
    return [...originals.values()].flatMap((row) => linesOf(row).map(({ line }) => line));
  }
  if (mode === "replace") {
    const newest = new Map(versions.map((row) => [row.file, row]));
    return [...newest.values()].flatMap((row) => linesOf(row).map(({ line }) => line));
  }
  const held = new Map<string, { file: string; line: string }>();
  for (const version of versions) {
    const lines = linesOf(version);
    const keys = new Set(lines.map(({ key }) => key));
    for (const { key, line } of lines) held.set(key, { file: version.file, line });
    if (!deleteMissing) continue;
    for (const [key, { file }] of held) if (file === version.file && !keys.has(key)) held.delete(key);
  }
  return [...held.values()].map(({ line }) => line);
}
