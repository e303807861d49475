import type { ColumnDefinition } from "../../../lib/columns.ts";
import type { Contract } from "../../../lib/contract/contract.ts";
import { hasCode, TributaryError } from "../../../lib/errors.ts";
import { withRawBytes } from "../../../lib/file-versions/history.ts";
import { contentOf, type VersionEvent } from "../../../lib/messages/repetition.ts";
import { parseLimitsOf } from "../../../lib/parsing/limits.ts";
import { TableColumns, type ColumnChange } from "../../../lib/rebuild/columns.ts";
import {
  observeVersion,
  readVersion,
  ReadingStopped,
  type Reading,
  type ReadingDeps,
} from "../../../lib/rebuild/read.ts";
import { partsOf, type Parts } from "../../../lib/rebuild/versions.ts";
import { makeLedger } from "../files/ledger.ts";
import { makeRejectLedger } from "../rejects/ledger.ts";
import { unrecordedFile } from "../rejects/recorded.ts";
import type { GatewayDeps } from "../http/deps.ts";

/** What a rebuild will read. */
export interface RebuildPlan {
  contract: Contract;
  /** The columns of the table now. */
  columns: readonly ColumnDefinition[];
  parts: Parts;
  versions: readonly VersionEvent[];
  bytes: number;
  missing: readonly VersionEvent[];
  /** Rows of the table now. */
  now: number;
  /** Files on their way. */
  waiting: number;
}

/** What reading all files shows. */
export interface Findings {
  /** Rows of the files, rejected ones included. */
  rows: number | null;
  /** Rows of the table afterwards; null: unknown, as in upsert tables, where keys decide. */
  rowsAfter: number | null;
  /** Rejected rows of the files, on record and afterwards. */
  rejects: { now: number; after: number } | null;
  columns: ColumnChange[] | null;
  unreadable: { file: string; error: string }[];
  /** False: the reading ended at a limit. */
  complete: boolean;
}

/** @throws NOT_FOUND if the table has no file that is on record */
export async function planRebuild(
  deps: Pick<GatewayDeps, "log" | "blob" | "warehouse" | "contracts" | "settings" | "view" | "clock">,
  table: string,
): Promise<RebuildPlan> {
  const { warehouse, settings, view } = deps;
  const limits = { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT };
  const contract = deps.contracts.of(table);
  await unrecordedFile({ view, clock: deps.clock, ledger: makeRejectLedger(warehouse, limits) }, table);
  const parts = await partsOf({ ...deps, ledger: makeLedger(warehouse, limits) }, contract);
  if (parts.parts.length === 0) throw new TributaryError("NOT_FOUND", `table '${table}' has no rows of a file`);
  const { missing } = await withRawBytes(deps, parts.parts.flat());
  const description = await warehouse.describe(table);
  const versions = parts.parts.flat().filter(({ event }) => event.kind === "put");
  return {
    contract,
    columns: description?.columns ?? [],
    parts,
    versions,
    bytes: versions.reduce((sum, { event }) => sum + event.sizeBytes, 0),
    missing,
    now: description ? await warehouse.reads.rowCount(table, limits) : 0,
    waiting: view.lag(table).files,
  };
}

/** A reading that answers one request ends at either, and says so. */
export const READ_BYTES_MAX = 4 * 1024 ** 3;
const READ_MS_MAX = 5 * 60_000;
const UNREADABLE_MAX = 100;

/**
 * Reads the files as a rebuild would, first for their types, then for what is rejected, and says what would
 * change. Writes nothing.
 */
export async function readAll(
  deps: Pick<GatewayDeps, "blob" | "previews" | "clock" | "schemas" | "draining" | "settings">,
  plan: RebuildPlan,
): Promise<Findings> {
  const { blob, previews: pool, clock, schemas, draining } = deps;
  const { contract, columns: before, versions, missing, parts } = plan;
  const reader: ReadingDeps = { blob, pool, limits: parseLimitsOf(deps.settings) };
  const columns = new TableColumns(contract, before);
  const pinned = schemas.get(contract.table)?.pinned;
  const reading = (known: Reading["known"]): Reading => ({ contract, known, pinned, signal: draining });
  const gone = new Set(missing);
  const unreadable: Findings["unreadable"] = [];
  const endMs = clock.monotonicMs() + READ_MS_MAX;
  const isLate = (): boolean => clock.monotonicMs() > endMs;
  let [rows, bytes] = [0, 0];
  const found = (more: Pick<Findings, "rowsAfter" | "rejects" | "complete">): Findings => ({
    ...{ rows, columns: columns.changes, unreadable },
    ...more,
  });
  const unknown = { rowsAfter: null, rejects: null };
  for (const item of versions) {
    bytes += item.event.sizeBytes;
    const isOver = bytes > READ_BYTES_MAX || isLate() || unreadable.length === UNREADABLE_MAX;
    if (isOver) return found({ ...unknown, complete: false });
    if (gone.has(item)) continue;
    await refusals(item, unreadable, async () => {
      const observed = await observeVersion(reader, reading(columns.known), item);
      columns.add(observed.columns);
      rows += observed.rowsRead;
    });
  }
  if (gone.size + unreadable.length > 0) return found({ ...unknown, complete: gone.size === 0 });
  const counts = { now: 0, after: 0, loaded: 0 };
  for (const part of parts.parts) {
    for (const item of part.filter(({ event }) => event.kind === "put")) {
      if (isLate()) return found({ ...unknown, complete: false });
      const read = await refusals(item, unreadable, () => readVersion(reader, reading(columns.columns), item, nowhere));
      if (!read) return found({ ...unknown, complete: true });
      counts.now += parts.records.get(contentOf(item))?.rowsRejected ?? 0;
      counts.after += read.rowsRejected;
      counts.loaded += read.rowsAccepted;
      if (read.rowsAccepted > 0 || read.rowsRejected === 0) break;
    }
  }
  const rowsAfter = contract.writeMode === "upsert" ? null : counts.loaded;
  return found({ rowsAfter, rejects: { now: counts.now, after: counts.after }, complete: true });
}

const nowhere = async () => async (): Promise<void> => undefined;

/** Runs a reading; notes why the file is refused. */
async function refusals<T>(
  { event }: VersionEvent,
  unreadable: Findings["unreadable"],
  read: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof ReadingStopped) throw new TributaryError("OVERLOADED", "shutting down");
    if (!hasCode(thrown, "REBUILD_REFUSED")) throw thrown;
    unreadable.push({ file: event.sourceFile, error: thrown.message });
    return undefined;
  }
}
