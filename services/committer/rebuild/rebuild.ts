import { evolve, sameColumns, type ColumnDefinition } from "../../../lib/columns.ts";
import { hasCode, isRetryable, messageOf, TributaryError } from "../../../lib/errors.ts";
import { withRawBytes } from "../../../lib/file-versions/history.ts";
import { makeVersionLedger } from "../../../lib/file-versions/ledger.ts";
import type { FileOutcome } from "../../../lib/messages/generated.ts";
import type { VersionEvent } from "../../../lib/messages/repetition.ts";
import { shadowOf, tableId } from "../../../lib/tables.ts";
import { TableColumns } from "../../../lib/rebuild/columns.ts";
import { observeVersion, ReadingStopped, type Reading } from "../../../lib/rebuild/read.ts";
import { missingMessage, partsOf, type Parts } from "../../../lib/rebuild/versions.ts";
import type { CommitReceipt, FileVersion, TableLayout } from "../../../lib/warehouse/warehouse.ts";
import { commitFailureOf, type Failure } from "../commit/outcome.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import { assertNoneSkipped, describe, SkipAsked, type WriterContext } from "../commit/writer.ts";
import type { RebuildDeps } from "./deps.ts";
import { ProgressReport } from "./report.ts";
import { stagePart, type ReadPart } from "./stage-part.ts";

const LOOKUP_MS_MAX = 60_000;
/** Attempts at a step whose error is not known to pass. */
const ATTEMPTS_MAX = 3;
/** Times that a rebuild begins, if its shadow vanishes. */
const ROUNDS_MAX = 3;
/** Records of files that one statement replaces. */
const RECORDS_MAX = 200;

/**
 * Reads the table's files again under the present contract, into a new table beside the old one, and puts it
 * in the old one's place. The place in the order of file events is that of `file`: the writer has committed
 * what was sent before, and commits what is sent later afterwards.
 *
 * Every step may be repeated: until the new table is in place, a crash leaves the old one, and the next
 * writer starts again. What the files' records say is written last.
 *
 * @returns the reason if the table stays as it was: a file that cannot be read, or its raw bytes are gone
 * @throws SkipAsked; ASSIGNMENT_LOST; the last error of a step
 */
export async function rebuildTable(
  writer: WriterContext,
  deps: RebuildDeps,
  file: EndedFile,
): Promise<{ receipt: CommitReceipt; readAgain: FileOutcome[] } | { failure: Failure }> {
  for (let round = 1; ; round++) {
    const rebuild = new Rebuild(writer, deps, file);
    try {
      return { receipt: await rebuild.run(), readAgain: rebuild.readAgain };
    } catch (thrown) {
      await rebuild.report.settled();
      if (writer.signal.aborted || hasCode(thrown, "ASSIGNMENT_LOST")) throw thrown;
      if (thrown instanceof ReadingStopped) throw lost();
      await rebuild.abandon();
      if (thrown instanceof SkipAsked) throw thrown;
      if (thrown instanceof ShadowGone && round < ROUNDS_MAX) continue;
      const failure = commitFailureOf(thrown instanceof ShadowGone ? thrown.cause : thrown);
      if (failure.code === "REBUILD_REFUSED") return { failure };
      return { failure: { code: "REBUILD_REFUSED", message: `${failure.code}: ${failure.message}` } };
    }
  }
}

/**
 * The shadow is gone before its time: it has taken the table's place and the answer was lost, or a removal
 * came late. The rebuild starts again, which is right in both cases.
 */
class ShadowGone extends Error {}

/** The writer drains: the next one starts the rebuild again. */
const lost = (): TributaryError => new TributaryError("ASSIGNMENT_LOST", "the writer stops; the rebuild starts again");

class Rebuild {
  readonly #writer: WriterContext;
  readonly #deps: RebuildDeps;
  readonly #file: EndedFile;
  readonly #layout: TableLayout;
  readonly report: ProgressReport;
  /** The new outcomes of the files. */
  readonly readAgain: FileOutcome[] = [];
  #columns: readonly ColumnDefinition[] = [];
  #pinned: Reading["pinned"];
  #pending: ReadPart[] = [];
  readonly #done: ReadPart[] = [];
  #rows = 0;
  /** A version failed or has rejected rows: corrections may come. */
  #hasIncomplete = false;

  constructor(writer: WriterContext, deps: RebuildDeps, file: EndedFile) {
    const { table, writeMode: mode, key, deleteMissing, partitioning } = writer.contract;
    this.#writer = writer;
    this.#deps = deps;
    this.#file = file;
    this.report = new ProgressReport(deps, table, file);
    this.#layout = { table: shadowOf(tableId(table)).name, mode, key, deleteMissing, partitioning };
  }

  async run(): Promise<CommitReceipt> {
    const { warehouse, contract, signal } = this.#writer;
    const { table } = contract;
    const shadow = this.#layout.table;
    const confirmOwner = (): Promise<void> => this.#writer.confirmOwner();
    const before = (await describe(this.#writer, [this.#file]))?.columns ?? [];
    this.#pinned = this.#deps.schemas.known(table)?.pinned;
    const { parts, records } = await this.#step(() => this.#parts());
    const recorded = await this.#step(() => warehouse.recordedVersions(table));
    this.#hasIncomplete = recorded.incomplete !== undefined;
    const versions = parts.flat().filter(isPut);
    const total = amountOf(versions);
    this.report.begin("types", total);
    this.#columns = await this.#columnsOf(versions, before);
    this.report.begin("rows", total);
    await this.#step(() => warehouse.drop(shadow, { signal, confirmOwner }));
    await this.#step(() => warehouse.ensureTable(this.#layout, this.#columns));
    for (const part of parts) {
      const read = await this.#step(() => stagePart(this.#deps, warehouse, this.#reading(this.#columns), part));
      this.#pending.push(read);
      this.report.readAll({ ...amountOf(part.filter(isPut)), rows: read.rowsRead });
      if (this.#isFull) await this.#commit();
    }
    await this.#commit();
    this.report.begin("replace", total);
    await this.#replace(shadow);
    await this.#record(records);
    await this.report.settled();
    // The receipt of a commit whose answer was lost counts nothing.
    const rowsInserted = Math.max(0, this.#rows);
    return { snapshotId: null, strategy: "rebuild", rowsInserted, rowsUpdated: 0, rowsDeleted: 0 };
  }

  /** Removes what the rebuild has made. The next one would do so, too. */
  async abandon(): Promise<void> {
    await Promise.allSettled([...this.#pending, ...this.#done].map((read) => read.discard()));
    const { table } = this.#layout;
    await this.#writer.warehouse
      .drop(table)
      .catch((err: unknown) =>
        this.#deps.logger.warn({ table, err }, `cannot remove a shadow table: ${messageOf(err)}`),
      );
  }

  async #parts(): Promise<Parts> {
    const { log, blob } = this.#deps;
    const { warehouse, contract, signal } = this.#writer;
    const ledger = makeVersionLedger(warehouse, { timeoutMs: LOOKUP_MS_MAX, signal });
    const found = await partsOf({ log, blob, ledger }, contract, this.#file.sourceOffset);
    if (found.parts.length === 0) throw new TributaryError("REBUILD_REFUSED", "the table has no rows of a file");
    const { missing } = await withRawBytes({ blob }, found.parts.flat());
    if (missing.length > 0) throw new TributaryError("REBUILD_REFUSED", missingMessage(missing));
    return found;
  }

  /** The columns that hold all values of all files. */
  async #columnsOf(
    versions: readonly VersionEvent[],
    before: readonly ColumnDefinition[],
  ): Promise<ColumnDefinition[]> {
    const columns = new TableColumns(this.#writer.contract, before);
    for (const item of versions) {
      const found = await this.#step(() => observeVersion(this.#deps, this.#reading(columns.known), item));
      columns.add(found.columns);
      this.report.readAll({ ...amountOf([item]), rows: found.rowsRead });
    }
    return columns.columns;
  }

  #reading(known: readonly ColumnDefinition[]): Reading {
    const { contract, signal } = this.#writer;
    return { contract, known, pinned: this.#pinned, signal, onRead: this.report.reading };
  }

  get #isFull(): boolean {
    const { rowsMax, bytesMax, filesMax } = this.#deps.batch;
    const total = (of: (read: ReadPart) => number): number => this.#pending.reduce((sum, read) => sum + of(read), 0);
    return (
      this.#pending.length >= filesMax ||
      total(({ stage }) => stage?.rowCount ?? 0) >= rowsMax ||
      total(({ stage }) => stage?.sizeBytes ?? 0) >= bytesMax
    );
  }

  async #commit(): Promise<void> {
    const { warehouse, signal, contract } = this.#writer;
    const files = this.#pending.flatMap(({ version }): FileVersion[] => (version ? [this.#confirming(version)] : []));
    const confirmOwner = (): Promise<void> => this.#writer.confirmOwner();
    if (files.length > 0) {
      let columns = this.#columns;
      for (const file of files) columns = evolve(contract.table, columns, file.columns).columns;
      if (!sameColumns(columns, this.#columns)) await this.#widen(columns);
      this.#columns = columns;
      const batch = { layout: this.#layout, files };
      const { rowsInserted, rowsDeleted } = await this.#onShadow(() =>
        warehouse.commit(batch, { signal, confirmOwner }),
      );
      this.#rows += rowsInserted - rowsDeleted;
    }
    await Promise.all(this.#pending.map(async (read) => read.stage?.discard()));
    this.#done.push(...this.#pending);
    this.#pending = [];
  }

  async #replace(shadow: string): Promise<void> {
    const { warehouse, contract, signal } = this.#writer;
    const confirmOwner = (): Promise<void> => this.#writer.confirmOwner();
    const layout = { ...this.#layout, table: contract.table };
    this.#writer.description = "unknown";
    await this.#onShadow(() => warehouse.replaceWith(layout, shadow, { signal, confirmOwner }));
  }

  /** A step that needs the shadow. @throws ShadowGone */
  #onShadow<T>(attempt: () => Promise<T>): Promise<T> {
    const { warehouse } = this.#writer;
    return this.#step(async () => {
      try {
        return await attempt();
      } catch (thrown) {
        if (this.#writer.signal.aborted || (await warehouse.describe(this.#layout.table))) throw thrown;
        throw new ShadowGone("the shadow table is gone", { cause: thrown });
      }
    });
  }

  async #widen(columns: readonly ColumnDefinition[]): Promise<void> {
    const { warehouse } = this.#writer;
    await this.#onShadow(async () => {
      // It would be made again, without the rows that it had.
      if (!(await warehouse.describe(this.#layout.table))) throw new TributaryError("WAREHOUSE_CONFLICT", "no shadow");
      await warehouse.ensureTable(this.#layout, columns);
    });
  }

  /** As OnRecord.confirmsUpTo: a later correction of an older version must not overwrite what it repeats. */
  #confirming(version: FileVersion): FileVersion {
    this.#hasIncomplete ||= this.#pending.some(({ rowsRejected }) => rowsRejected > 0);
    if (this.#layout.mode !== "upsert" || !this.#hasIncomplete) return version;
    return { ...version, confirmsUpTo: (version.versionOffset ?? version.sourceOffset) - 1 };
  }

  /** Replaces the counts and the rejects of the files that were read again. */
  async #record(records: Parts["records"]): Promise<void> {
    const { warehouse, contract } = this.#writer;
    for (let start = 0; start < this.#done.length; start += RECORDS_MAX) {
      const chunk = this.#done.slice(start, start + RECORDS_MAX);
      const ended = chunk.flatMap((read) => read.recordOf(records, this.#file));
      await this.#step(() => warehouse.record(contract.table, ended, this.#file.end.parsedAtMs));
      this.readAgain.push(...ended.map(({ outcome }) => outcome));
      await Promise.all(chunk.map((read) => read.discard()));
    }
  }

  #step<T>(attempt: () => Promise<T>): Promise<T> {
    const { persist } = this.#writer;
    const checked = (): Promise<T> => {
      assertNoneSkipped(this.#writer, [this.#file]);
      if (this.#writer.mustYield(Infinity)) throw lost();
      return attempt();
    };
    const retryable = (thrown: unknown, attempts: number): boolean =>
      !(thrown instanceof SkipAsked || thrown instanceof ReadingStopped || thrown instanceof ShadowGone) &&
      !hasCode(thrown, "REBUILD_REFUSED") &&
      !hasCode(thrown, "ASSIGNMENT_LOST") &&
      (isRetryable(thrown) || attempts < ATTEMPTS_MAX);
    return persist("rebuild", async () => checked(), { retryable, fileIds: [this.#file.fileId] });
  }
}

/** How much is read of these versions. */
const amountOf = (versions: readonly VersionEvent[]): { files: number; bytes: number } => ({
  files: versions.length,
  bytes: versions.reduce((sum, { event }) => sum + event.sizeBytes, 0),
});

const isPut = ({ event }: VersionEvent): boolean => event.kind === "put";
