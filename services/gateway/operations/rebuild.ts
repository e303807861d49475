import type { ColumnDefinition } from "../../../lib/columns.ts";
import type { Contract } from "../../../lib/contract/contract.ts";
import { hasCode, TributaryError } from "../../../lib/errors.ts";
import { withRawBytes } from "../../../lib/file-versions/history.ts";
import type { VersionEvent } from "../../../lib/messages/repetition.ts";
import { parseLimitsOf } from "../../../lib/parsing/limits.ts";
import { TableColumns, type ColumnChange } from "../../../lib/rebuild/columns.ts";
import { observeVersion, ReadingStopped } from "../../../lib/rebuild/read.ts";
import { partsOf } from "../../../lib/rebuild/versions.ts";
import { makeLedger } from "../files/ledger.ts";
import type { GatewayDeps } from "../http/deps.ts";

/** What a rebuild will read. */
export interface RebuildPlan {
  contract: Contract;
  /** The columns of the table now. */
  columns: readonly ColumnDefinition[];
  versions: readonly VersionEvent[];
  files: number;
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
  columns: ColumnChange[] | null;
  unreadable: { file: string; error: string }[];
  /** False: the reading ended at a limit. */
  complete: boolean;
}

/** @throws NOT_FOUND if the table has no file that is on record */
export async function planRebuild(
  deps: Pick<GatewayDeps, "log" | "blob" | "warehouse" | "contracts" | "settings" | "view">,
  table: string,
): Promise<RebuildPlan> {
  const { warehouse, settings, view } = deps;
  const limits = { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT };
  const contract = deps.contracts.of(table);
  const { parts } = await partsOf({ ...deps, ledger: makeLedger(warehouse, limits) }, contract);
  if (parts.length === 0) throw new TributaryError("NOT_FOUND", `table '${table}' is made of no file`);
  const { missing } = await withRawBytes(deps, parts.flat());
  const description = await warehouse.describe(table);
  const newest = parts.map(([version]) => version);
  return {
    contract,
    columns: description?.columns ?? [],
    versions: newest.filter(({ event }) => event.kind === "put"),
    files: newest.length,
    bytes: newest.reduce((sum, { event }) => sum + event.sizeBytes, 0),
    missing,
    now: description ? await warehouse.reads.rowCount(table, limits) : 0,
    waiting: view.lag(table).files,
  };
}

/** A dry run answers one request: it ends at either, and says so. */
const READ_BYTES_MAX = 4 * 1024 ** 3;
const READ_MS_MAX = 5 * 60_000;
const UNREADABLE_MAX = 100;

/** Reads the files as a rebuild would, and says what would change. Writes nothing. */
export async function readAll(
  deps: Pick<GatewayDeps, "blob" | "previews" | "clock" | "schemas" | "draining" | "settings">,
  { contract, columns: before, versions, missing }: RebuildPlan,
): Promise<Findings> {
  const { blob, previews: pool, clock, schemas, draining } = deps;
  const reader = { blob, pool, limits: parseLimitsOf(deps.settings) };
  const columns = new TableColumns(contract, before);
  const gone = new Set(missing);
  const unreadable: Findings["unreadable"] = [];
  const endMs = clock.monotonicMs() + READ_MS_MAX;
  let [rows, bytes] = [0, 0];
  for (const item of versions) {
    bytes += item.event.sizeBytes;
    const isOver = bytes > READ_BYTES_MAX || clock.monotonicMs() > endMs || unreadable.length === UNREADABLE_MAX;
    if (isOver) return { rows, columns: columns.changes, unreadable, complete: false };
    if (gone.has(item)) continue;
    const pinned = schemas.get(contract.table)?.pinned;
    const reading = { contract, known: columns.known, pinned, signal: draining };
    try {
      const found = await observeVersion(reader, reading, item);
      columns.add(found.columns);
      rows += found.rowsRead;
    } catch (thrown) {
      if (thrown instanceof ReadingStopped) throw new TributaryError("OVERLOADED", "shutting down");
      if (!hasCode(thrown, "REBUILD_REFUSED")) throw thrown;
      unreadable.push({ file: item.event.sourceFile, error: thrown.message });
    }
  }
  return { rows, columns: columns.changes, unreadable, complete: gone.size === 0 };
}
