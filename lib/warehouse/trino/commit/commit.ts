import type { RowBatch } from "../../../messages/generated.ts";
import type { Clock } from "../../../clock.ts";
import { hasCode, isRetryable } from "../../../errors.ts";
import { retry } from "../../../retry.ts";
import { stringLiteral, withAuditColumns, type SqlColumn } from "../../sql/sql.ts";
import type { StatementOptions, StatementResult, TrinoClient } from "../client/client.ts";
import { isTooManyPartitions, STATEMENT_RETRY } from "../client/errors.ts";
import { addFile } from "./add-files.ts";
import { changesOf, filesIn, mergeStatement, newestOffsets, rowsIn, summaryIn } from "./merge.ts";
import { tableId } from "../names.ts";
import {
  snapshotIn,
  concurrentWrite,
  type CommittedSnapshot,
  type BaseSnapshots,
  type SnapshotId,
} from "./base-snapshots.ts";
import { broughtColumns, emptySelect, groupBatches, inlineSelect, stagedSelect } from "./source.ts";
import type { SpilledRows } from "../../staging/parquet-spill.ts";
import { TrinoStage, type RowBuffer, type StageShared } from "./stage.ts";
import type { TrinoTables } from "../tables.ts";
import type { CommitOptions, CommitReceipt, FileVersion, MicroBatch, TableLayout } from "../../warehouse.ts";

const NOTHING: CommitReceipt = { snapshotId: null, strategy: "none", rowsInserted: 0, rowsUpdated: 0, rowsDeleted: 0 };

/** Rows in a statement's text take less than this: Trino's query.max-length is 1,000,000 characters by default. */
export const INLINE_CHARS_MAX = 900_000;

export interface CommitContext {
  client: TrinoClient;
  clock: Clock;
  tables: TrinoTables;
  baseSnapshots: BaseSnapshots;
  staging: StageShared;
  /** Files of fewer rows are not adopted. */
  adoptRowsMin: number;
  /** A key prefix that no other call returned. */
  newPrefix(table: string): string;
  /** Newest offset that the ledger surely has of any of the table's files, if known. */
  ledgerNewest(table: string): number | undefined;
  /** How many parts of a table one step of its optimize may take, where fewer than usual. */
  slicePartsMax: Map<string, number>;
  /** Goes on beside everything else; failures are only told. */
  runInBackground(work: Promise<unknown>): void;
}

/**
 * What Warehouse.commit says. Whatever goes wrong on the way (a conflict, an outcome that stays unknown), the next attempt begins by looking: at
 * the table, whether it still is this writer's, and at the ledger.
 */
export async function commitBatch(
  context: CommitContext,
  batch: MicroBatch,
  options: CommitOptions = {},
): Promise<CommitReceipt> {
  const { table } = batch.layout;
  return repeat(context.clock, options.signal, async () => {
    try {
      const { receipt, made } = await commitOnce(context, batch, options);
      if (made) context.baseSnapshots.note(table, made, namesOf(batch.files));
      else if (receipt.strategy !== NOTHING.strategy) context.baseSnapshots.forget(table);
      return receipt;
    } catch (thrown) {
      context.baseSnapshots.forget(table);
      throw thrown;
    }
  });
}

/** What a commit has come to. */
export interface CommittedBatch {
  receipt: CommitReceipt;
  /** What it has made of the table that was seen; undefined if nothing, or if another has written in between. */
  made?: CommittedSnapshot | undefined;
}

const namesOf = (files: readonly FileVersion[]): string[] => files.map(({ sourceFile }) => sourceFile);

async function commitOnce(
  context: CommitContext,
  batch: MicroBatch,
  { signal, confirmOwner = async () => undefined }: CommitOptions,
): Promise<CommittedBatch> {
  const { layout } = batch;
  const { table } = layout;
  const bringing = batch.files.filter(({ stage }) => stage ?? (layout.mode === "replace" || layout.deleteMissing));
  const description = bringing.length === 0 ? undefined : await context.tables.describe(table);
  if (!description) return { receipt: NOTHING };
  const known = await stillKnown(context, table, bringing);
  const baseSnapshot = known === undefined ? await context.baseSnapshots.refresh(table, confirmOwner) : known;
  // Having had to look, what this process remembers of the ledger does not count either.
  const newest = known === undefined ? undefined : context.ledgerNewest(table);
  const files = await applicable(context, { layout, files: bringing }, newest);
  if (files.length === 0) return { receipt: NOTHING };
  const target = withAuditColumns(description.columns);
  const adoption = { layout, partitioning: description.partitioning, target, files, baseSnapshot, confirmOwner };
  const adopted = await addFile(context, adoption);
  if (adopted) return adopted;
  const newFiles = layout.mode !== "upsert" && (await context.baseSnapshots.holdsNone(table, namesOf(files)));
  const hoards = files.flatMap(({ stage }) => (stage instanceof TrinoStage ? [stage.rows] : []));
  return withRows(context, table, target, hoards, async ({ select: rows, strategy, alone }) => {
    const applied = files.map((file) => ({ ...file, rowsOffset: (file.stage as TrinoStage | undefined)?.rowsOffset }));
    const keysUnique = layout.mode === "upsert" && (await alone?.areUnique(layout.key)) === true;
    const input = { layout, columns: description.columns, files: applied, rows, baseSnapshot, newFiles, keysUnique };
    const { result, strategy: how } = await mergeAnyPartitions(
      context,
      layout,
      mergeStatement(input),
      strategy,
      signal,
    );
    if (result.updateCount > 0) return snapshotOf(context.client, table, { ...result, baseSnapshot, strategy: how });
    // All was there already, or the table was not as seen.
    if (!(await context.baseSnapshots.isCurrent(table, baseSnapshot))) throw concurrentWrite(table);
    return { receipt: NOTHING };
  });
}

/** The snapshot that the writer has seen, if it need not look anew. A large batch is not made in vain: it asks before, not after. */
async function stillKnown(
  { baseSnapshots }: CommitContext,
  table: string,
  files: readonly FileVersion[],
): Promise<SnapshotId | undefined> {
  const known = baseSnapshots.get(table);
  const large = files.some(({ stage }) => stage instanceof TrinoStage && stage.rows.spooled.length > 0);
  return known === undefined || !large || (await baseSnapshots.isCurrent(table, known)) ? known : undefined;
}

/**
 * The versions that still have to be applied: none the ledger has, nor an older one of its file; replace needs only each file's newest.
 * `recorded` is the newest offset that the ledger has of the table's files, if known.
 */
async function applicable(
  context: CommitContext,
  { layout, files }: MicroBatch,
  recorded: number | undefined,
): Promise<readonly FileVersion[]> {
  if (layout.mode === "append") return files;
  const known = recorded !== undefined && files.every(({ sourceOffset }) => sourceOffset > recorded);
  const fresh = known ? files : await notSuperseded(context, layout.table, files);
  if (layout.mode !== "replace") return fresh;
  const newest = newestOffsets(fresh);
  return fresh.filter(({ sourceFile, sourceOffset }) => newest.get(sourceFile) === sourceOffset);
}

async function notSuperseded(
  context: CommitContext,
  table: string,
  files: readonly FileVersion[],
): Promise<FileVersion[]> {
  await context.tables.ensureInternal("_ingest_files");
  const names = [...new Set(files.map(({ sourceFile }) => stringLiteral("trino", sourceFile)))];
  const { rows } = await context.client.run(
    `SELECT file_key, max(source_offset) FROM ${tableId("_ingest_files")}
     WHERE table_name = ${stringLiteral("trino", table)} AND status = 'committed' AND file_key IN (${names.join(", ")})
     GROUP BY 1`,
  );
  const absorbed = new Map(rows.map(([file, offset]) => [file as string, Number(offset)]));
  return files.filter(({ sourceFile, sourceOffset }) => sourceOffset > (absorbed.get(sourceFile) ?? -1));
}

/** Rows as a statement gets them. */
export interface RowSource {
  select: string;
  strategy: "inline" | "staged" | "none";
  /** The one place they all lie in, if there is one. */
  alone?: SpilledRows;
}

/**
 * Gives `use` a SELECT of all the hoards' rows with the target's columns: in the statement's own text if that is short enough, else from
 * Parquet files. What is still held is then put into one file for each set of columns, however many hoards it came from.
 */
export async function withRows<T>(
  context: Pick<CommitContext, "staging" | "newPrefix" | "runInBackground">,
  table: string,
  target: readonly SqlColumn[],
  hoards: readonly RowBuffer[],
  use: (rows: RowSource) => Promise<T>,
): Promise<T> {
  for (const hoard of hoards) if (hoard.spooled.length > 0) await hoard.spool();
  const held = hoards.flatMap((hoard) => hoard.held);
  const spooled = hoards.flatMap((hoard) => hoard.spooled);
  if (spooled.length === 0) {
    const inline = inlineOf(target, held);
    if (inline !== undefined) return use({ select: inline, strategy: held.length === 0 ? "none" : "inline" });
  }
  const together: SpilledRows[] = [];
  const made: StagedFile[] = [];
  try {
    for (const { columns, batches } of groupBatches(held)) {
      const rows = context.staging.spool.open(columns);
      together.push(rows);
      await rows.add(batches);
    }
    const all = [...spooled, ...together];
    const selects = await Promise.all(
      all.map(async (rows) => {
        const file = new StagedFile(context.staging, context.newPrefix(table));
        made.push(file);
        const brought = broughtColumns(target, rows.columns);
        return stagedSelect(target, brought, await file.table(rows, brought));
      }),
    );
    const alone = all.length === 1 ? { alone: all[0]! } : {};
    return await use({ select: selects.join("\nUNION ALL\n"), strategy: "staged", ...alone });
  } finally {
    for (const rows of together) await rows.drop();
    for (const file of made) context.runInBackground(file.remove());
  }
}

/** One staged Parquet file, alone in its folder, and the stage table over it. */
class StagedFile {
  readonly #staging: StageShared;
  readonly #folder: string;
  #table: string | undefined;

  constructor(staging: StageShared, folder: string) {
    this.#staging = staging;
    this.#folder = folder;
  }

  async table(rows: SpilledRows, columns: readonly SqlColumn[]): Promise<string> {
    const { area, tables } = this.#staging;
    await rows.store(area.blobs, `${this.#folder}/rows.parquet`, columns);
    this.#table = await tables.create(columns, `${area.location}/${this.#folder}/`);
    return this.#table;
  }

  async remove(): Promise<void> {
    const { area, tables } = this.#staging;
    if (this.#table !== undefined) await tables.drop(this.#table);
    await area.blobs.delete(`${this.#folder}/rows.parquet`);
  }
}

/** Rows as a SELECT in text; undefined if they are too many. */
export function inlineOf(
  target: readonly SqlColumn[],
  batches: readonly RowBatch[],
  charsMax = INLINE_CHARS_MAX,
): string | undefined {
  const selects: string[] = [];
  let left = charsMax;
  for (const group of groupBatches(batches)) {
    const select = inlineSelect(target, group, left);
    if (select === undefined) return undefined;
    left -= select.length;
    selects.push(select);
  }
  return selects.length === 0 ? emptySelect(target) : selects.join("\nUNION ALL\n");
}

/**
 * Runs a batch's MERGE. Trino refuses one that touches more partitions than a writer may hold open (iceberg.max-partitions-per-writer, 100
 * unless set otherwise): it is then run while the table takes new rows unpartitioned, which still is one atomic change; the partitioning
 * is put back right after, or by the next ensureTable. Rows of such a batch lie unpartitioned until `optimize` moves them.
 */
async function mergeAnyPartitions(
  context: CommitContext,
  layout: TableLayout,
  statement: string,
  strategy: string,
  signal: AbortSignal | undefined,
): Promise<{ result: StatementResult; strategy: string }> {
  const options = signal ? { signal } : {};
  try {
    return { result: await context.client.run(statement, options), strategy };
  } catch (thrown) {
    if (!isTooManyPartitions(thrown)) throw thrown;
  }
  context.tables.forget(layout.table);
  await context.tables.partition({ ...layout, partitioning: [] });
  try {
    return { result: await context.client.run(statement, options), strategy: `${strategy} unpartitioned` };
  } finally {
    await context.tables.partition(layout);
  }
}

/** Runs a statement that may be run twice, again and again while it meets what passes. */
export async function runRepeatable(
  context: Pick<CommitContext, "client" | "clock">,
  statement: string,
  options: StatementOptions = {},
): Promise<StatementResult> {
  return repeat(context.clock, options.signal, () => context.client.run(statement, options));
}

/** What ran out of time once is not given five times as long. */
function repeat<T>(clock: Clock, signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
  const retryable = (thrown: unknown): boolean => isRetryable(thrown) && !hasCode(thrown, "WAREHOUSE_TIMEOUT");
  return retry(clock, { ...STATEMENT_RETRY, retryable, ...(signal ? { signal } : {}) }, attempt);
}

/** The snapshot that a MERGE made, and what it changed. */
export async function snapshotOf(
  client: Pick<TrinoClient, "run">,
  table: string,
  {
    queryId,
    updateCount,
    baseSnapshot,
    strategy,
  }: Pick<StatementResult, "queryId" | "updateCount"> & { baseSnapshot: SnapshotId; strategy: string },
): Promise<CommittedBatch> {
  const { rows } = await client.run(
    `SELECT snapshot_id, parent_id, CAST(summary AS JSON) FROM ${tableId(table, "$snapshots")}
     WHERE element_at(summary, 'trino_query_id') = ${stringLiteral("trino", queryId)}`,
  );
  const [id, parent, json] = rows[0] ?? [];
  const snapshotId = snapshotIn(id);
  if (snapshotId === null)
    return { receipt: { strategy, snapshotId, rowsInserted: updateCount, rowsUpdated: 0, rowsDeleted: 0 } };
  const summary = summaryIn(json);
  return {
    receipt: { strategy, snapshotId, ...filesIn(summary), ...changesOf(updateCount, summary) },
    // Another's commit of other files is no conflict, but it may have come in between.
    made: snapshotIn(parent) === baseSnapshot ? { snapshot: snapshotId, rows: rowsIn(summary) } : undefined,
  };
}
