import type { ColumnDefinition } from "../../../lib/columns.ts";
import type { Contract } from "../../../lib/contract/contract.ts";
import { hasCode, TributaryError } from "../../../lib/errors.ts";
import type { Reject } from "../../../lib/messages/generated.ts";
import { contentOf, versionOf, type VersionEvent } from "../../../lib/messages/repetition.ts";
import { parseLimitsOf } from "../../../lib/parsing/limits.ts";
import { readVersion, ReadingStopped, type Reading, type ReadingDeps, type Take } from "../../../lib/rebuild/read.ts";
import { makeLedger } from "../files/ledger.ts";
import type { GatewayDeps } from "../http/deps.ts";
import { isFinal } from "../http/schemas.ts";
import { printable } from "../http/names.ts";
import { makeRejectLedger } from "../rejects/ledger.ts";
import { unrecordedFile } from "../rejects/recorded.ts";
import { READ_BYTES_MAX } from "./rebuild.ts";

/** A file with rows in the table that would not load again. */
export interface Loss {
  file: string;
  error: string;
}

/** What reading the other files again shows. */
export interface Checked {
  lost: Loss[];
  /** False: the reading ended at a limit. */
  complete: boolean;
}

/** The reading of a content that loaded most of its rows. */
interface Loaded {
  fileId: string;
  rowsRejected: number;
  /** Offset of the version. Its corrections have the same one, and all of its rows. */
  version: number;
}

/** What versions have loaded, by the ids of their events; absent: nothing. */
export type LoadedRows = ReadonlyMap<string, Loaded>;

type CheckDeps = Pick<
  GatewayDeps,
  "blob" | "previews" | "clock" | "schemas" | "draining" | "settings" | "warehouse" | "view"
>;

/** Clients wait five minutes for an answer, and the undo itself follows. */
const READ_MS_MAX = 4 * 60_000;
const LOST_MAX = 100;
/** Rejected rows of one version that are compared one by one; beyond, their number counts. */
const COMPARED_MAX = 10_000;

/**
 * What the versions have loaded. Rows that a later reading rejected are in the table all the same: of several
 * readings the one with the fewest rejects counts.
 */
export async function loadedBy(
  { warehouse, settings, view, clock }: Pick<GatewayDeps, "warehouse" | "settings" | "view" | "clock">,
  table: string,
  versions: readonly VersionEvent[],
): Promise<LoadedRows> {
  const limits = { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT };
  await unrecordedFile({ view, clock, ledger: makeRejectLedger(warehouse, limits) }, table);
  const best = new Map<number, Omit<Loaded, "version">>();
  for (const record of await makeLedger(warehouse, limits).versions(table, "upsert")) {
    const { fileId, sourceOffset, contentOffset, rowsRejected, rowsCommitted } = record;
    if (record.isFailed || record.operation !== null || rowsCommitted === 0) continue;
    const content = contentOffset ?? sourceOffset;
    if (rowsRejected < (best.get(content)?.rowsRejected ?? Infinity)) best.set(content, { fileId, rowsRejected });
  }
  return new Map(
    versions.flatMap((item): [string, Loaded][] => {
      const { fileId } = item.event;
      // What is committed but not on record yet.
      const status = view.get(fileId);
      const rowsRejected = status?.rowsRejected ?? 0;
      const seen = status?.status === "committed" && status.rowsCommitted !== 0 ? { fileId, rowsRejected } : undefined;
      const loaded = best.get(contentOf(item)) ?? seen;
      return loaded ? [[fileId, { ...loaded, version: versionOf(item) }]] : [];
    }),
  );
}

/**
 * Reads the versions as their repetitions would, under the present contract, and says which of them would
 * not load a row again that they have loaded. Writes nothing. The time is bounded also within a version.
 * `gone`: aborts when nobody waits for the answer any more.
 */
export async function checkRepetitions(
  deps: CheckDeps,
  contract: Contract,
  { versions, loaded, gone }: { versions: readonly VersionEvent[]; loaded: LoadedRows; gone: AbortSignal },
): Promise<Checked> {
  const { warehouse, clock, draining } = deps;
  const files = versions.filter(({ event }) => event.kind === "put");
  const lost: Loss[] = [];
  if (files.length === 0) return { lost, complete: true };
  const bytes = files.reduce((sum, { event }) => sum + event.sizeBytes, 0);
  if (bytes > READ_BYTES_MAX) return { lost, complete: false };
  const [late, done] = [new AbortController(), new AbortController()];
  const timer = clock.sleep(READ_MS_MAX, done.signal).then(() => late.abort());
  try {
    const known = (await warehouse.describe(contract.table))?.columns ?? [];
    const check = new Check(deps, contract, { known, signal: AbortSignal.any([draining, gone, late.signal]) });
    const whole = new Set<number>();
    // A correction comes after what it corrects: if it loads, nothing is lost with that.
    for (const item of files.toReversed()) {
      if (lost.length === LOST_MAX) return { lost, complete: false };
      const before = loaded.get(item.event.fileId);
      if (!before || whole.has(before.version)) continue;
      const error = await check.whyLost(item, before);
      if (error === undefined) whole.add(before.version);
      else lost.unshift({ file: item.event.sourceFile, error });
    }
    return { lost, complete: true };
  } catch (thrown) {
    if (!(thrown instanceof ReadingStopped)) throw thrown;
    if (draining.aborted) throw new TributaryError("OVERLOADED", "shutting down");
    if (gone.aborted) throw new TributaryError("OVERLOADED", "the client has left: nothing was undone");
    return { lost, complete: false };
  } finally {
    done.abort();
    await timer;
  }
}

type Rejected = Pick<Reject, "row" | "line" | "message">;

class Check {
  readonly #deps: CheckDeps;
  readonly #reader: ReadingDeps;
  readonly #reading: Reading;

  constructor(
    deps: CheckDeps,
    contract: Contract,
    { known, signal }: { known: readonly ColumnDefinition[]; signal: AbortSignal },
  ) {
    this.#deps = deps;
    this.#reader = { blob: deps.blob, pool: deps.previews, limits: parseLimitsOf(deps.settings) };
    this.#reading = { contract, known, pinned: deps.schemas.get(contract.table)?.pinned, signal };
  }

  /** Why the version would not load a row again that it has loaded; undefined: it loads all of them. */
  async whyLost(item: VersionEvent, before: Loaded): Promise<string | undefined> {
    let rejects: Rejected[] = [];
    const begin = async (): Promise<Take> => {
      rejects = [];
      return async (output) => {
        if (output.kind !== "rejects") return;
        const more = output.rejects.slice(0, COMPARED_MAX + 1 - rejects.length);
        rejects.push(...more.map(({ row, line, message }) => ({ row, line, message })));
      };
    };
    let rowsRejected: number;
    try {
      ({ rowsRejected } = await readVersion(this.#reader, this.#reading, item, begin));
    } catch (thrown) {
      if (!hasCode(thrown, "REBUILD_REFUSED")) throw thrown;
      return thrown.message;
    }
    if (rowsRejected === 0) return undefined;
    const loadedRow = await this.#firstLoaded(rejects, before);
    if (rowsRejected <= before.rowsRejected && !loadedRow) return undefined;
    const { line, message } = loadedRow ?? rejects[0]!;
    const counts = `rejected rows: ${rowsRejected}, before: ${before.rowsRejected}`;
    return `file '${printable(item.event.sourceFile)}', line ${line}: ${message} (${counts})`;
  }

  /** The first of these rejects that is not on record; undefined also if not all that were made are. */
  async #firstLoaded(rejects: readonly Rejected[], { fileId, rowsRejected }: Loaded): Promise<Rejected | undefined> {
    if (rowsRejected === 0) return rejects[0];
    if (Math.max(rowsRejected, rejects.length) > COMPARED_MAX) return undefined;
    const { warehouse, settings } = this.#deps;
    const limits = { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT };
    const recorded = await warehouse.reads.rejects.ofFile(fileId, COMPARED_MAX, limits);
    return recorded.size < rowsRejected ? undefined : rejects.find(({ row }) => !recorded.has(row));
  }
}

/** A repetition that an undo has published. */
export interface Repeated {
  fileId: string;
  sourceFile: string;
  replayOf: string;
}

/** The repetitions that have ended without all rows that their versions had loaded. */
export async function lostBy(
  { view, warehouse, settings }: Pick<GatewayDeps, "view" | "warehouse" | "settings">,
  repeated: readonly Repeated[],
  loaded: LoadedRows,
): Promise<Loss[]> {
  const ledger = makeLedger(warehouse, { timeoutMs: settings.TRIBUTARY_QUERY_TIMEOUT });
  const lost: (Loss & { version: number })[] = [];
  const whole = new Set<number>();
  for (const { fileId, sourceFile, replayOf } of repeated) {
    const before = loaded.get(replayOf);
    const ended = before && (view.get(fileId) ?? (await ledger.file(fileId)));
    if (!ended || !isFinal(ended.status) || ended.error?.code === "FILE_SUPERSEDED") continue;
    const { version } = before;
    const { status, error } = ended;
    const rejected = ended.rowsRejected ?? 0;
    const counts = `rejected rows: ${rejected}, before: ${before.rowsRejected}`;
    const why = error ? `${error.code}: ${error.message}` : counts;
    if (status === "committed" && rejected <= before.rowsRejected) whole.add(version);
    else lost.push({ version, file: sourceFile, error: `file '${printable(sourceFile)}', ${why}` });
  }
  return lost.filter(({ version }) => !whole.has(version)).map(({ file, error }) => ({ file, error }));
}
