import { randomUUID } from "node:crypto";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Clock } from "../../../clock.ts";
import { codeOf, messageOf, TributaryError } from "../../../errors.ts";
import { rowsOf } from "../../duckdb-engine/rows.ts";
import type { SqlColumn } from "../../sql/sql.ts";
import { newCurrent, type TableChange } from "../catalog/commit.ts";
import { jsonText } from "../catalog/json.ts";
import type { TableIdentifier } from "../catalog/schemas.ts";
import { CommitError, type TransactionResult } from "../gate/transactions.ts";
import { encodedList, newSnapshotId, writeManifest, writeManifestList } from "../manifests/manifests.ts";
import type { Session } from "../session.ts";
import type { Buckets } from "../tables/buckets.ts";
import type { WrittenPart } from "../text-bounds.ts";
import { manifestEntry, manifestMetadata, writeDataFile, type DataFile, type FileColumn } from "./data-file.ts";
import { fileColumns, type Head, type Heads, type OlderSnapshot } from "./heads.ts";

/** Rows for one table. */
export interface AppendedRows {
  part: WrittenPart;
  /** A SELECT of the rows: at least one. */
  select: string;
  /** Its columns, by their names in the table. */
  columns: readonly SqlColumn[];
  /** Nobody reads the table as it was: the commit may remove old snapshots. */
  forgetsHistory?: boolean;
  /** Asked before the commit, on what the table is. False: it may have these rows. Default: it has none. */
  isAbsent?: (head: Head, rowsOf: RowsOf) => Promise<boolean>;
}

export interface AppenderOptions {
  heads: Heads;
  session: Session;
  buckets: Buckets;
  clock: Clock;
  /** Commits these changes in one transaction at the gate. @throws CommitError */
  commit: (
    parts: readonly WrittenPart[],
    changes: readonly TableChange[],
    id: string | undefined,
  ) => Promise<TransactionResult>;
  /** The catalog commits several tables in one transaction. */
  isTransactional: boolean;
}

/** Runs a query of the tables as they are now. */
export type RowsOf = (sql: string) => Promise<unknown[][]>;

/** A table's rows whose files are written, for the commit of another writer of this process. */
export interface PreparedRows {
  table: TableIdentifier;
  /** The change, as a transaction has it. */
  change: string;
  /** The table after that commit. */
  head: Head;
}

/**
 * A catalog sends and writes all snapshots of a table with each commit. Snapshots that go are older than any
 * commit whose answer is lost may be (90 s), and go many at a time.
 */
const HISTORY = { ageMsMin: 300_000, countMin: 100 };
/** After a refusal, which others' writes cause, tables are read before each append for so long. */
const DISTRUST_MS = 60_000;

/**
 * Adds rows to tables without partitions. DuckDB's Iceberg writer reads the table and its manifest list for
 * each transaction, which this process knows: it has written them. So a small commit costs half of what that
 * writer needs. It writes the data files here, too.
 */
export class Appender {
  readonly #options: AppenderOptions;
  #distrustUntilMs = -Infinity;

  constructor(options: AppenderOptions) {
    this.#options = options;
  }

  /**
   * Commits the rows in one transaction, as `Session.write` does. undefined: it cannot be done here, and
   * nothing was committed.
   * @throws CommitError
   */
  async append(
    tables: readonly AppendedRows[],
    { id, signal }: { id?: string | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<TransactionResult | undefined> {
    if (tables.length > 1 && !this.#options.isTransactional) return undefined;
    const query: RowsOf = (sql) => this.#options.session.rows(sql);
    const targets = await this.#targets(tables, query);
    if (!targets) return undefined;
    const files = await Promise.all(targets.map((one) => this.#write(one)));
    if (files.some(({ rows }) => rows === 0)) return undefined;
    if (signal?.aborted) throw new TributaryError("WAREHOUSE_TIMEOUT", "the commit was interrupted before it began");
    const written = (on: readonly Target[]): Written[] => on.map((one, at) => ({ ...one, file: files[at]! }));
    try {
      return await this.#commit(written(targets), id);
    } catch (thrown) {
      if (!(thrown instanceof CommitError) || thrown.result.kind !== "refused") throw thrown;
      this.distrust();
      const again = await this.#targets(tables, query);
      if (!again) throw thrown;
      return this.#commit(written(again), id);
    }
  }

  /**
   * Writes the files of rows that go along with a transaction of DuckDB's writer on this connection: see
   * TablePart.joins. undefined: it cannot be done here.
   */
  async prepare(connection: DuckDBConnection, tables: readonly AppendedRows[]): Promise<PreparedRows[] | undefined> {
    const query: RowsOf = (sql) => rowsOf(connection, sql);
    const targets = this.#options.isTransactional ? await this.#targets(tables, query) : undefined;
    if (!targets) return undefined;
    const written: Written[] = [];
    for (const one of targets) written.push({ ...one, file: await fileOf(connection, one) });
    if (written.some(({ file }) => file.rows === 0)) return undefined;
    const made = await this.#snapshots(written);
    return made.map(({ change, ...one }) => ({ ...one, change: jsonText(change) }));
  }

  /** The transaction with these changes is committed. */
  committed(tables: readonly Pick<PreparedRows, "table" | "head">[]): void {
    for (const { table, head } of tables) this.#options.heads.set(table, head);
  }

  /** A commit that built on what is remembered was refused. */
  distrust(): void {
    this.#distrustUntilMs = this.#options.clock.monotonicMs() + DISTRUST_MS;
  }

  /** Another commit than those of `append` has changed the table. */
  forget(table: TableIdentifier): void {
    this.#options.heads.forget(table);
  }

  async #targets(tables: readonly AppendedRows[], query: RowsOf): Promise<Target[] | undefined> {
    const { heads, clock } = this.#options;
    const isDistrusted = clock.monotonicMs() < this.#distrustUntilMs;
    const found = await Promise.all(
      tables.map(async (rows) => {
        const { part, columns } = rows;
        // A base is checked anyway.
        if (isDistrusted && !part.base) heads.forget(part.table);
        const head = await inStore(() => heads.get(part.table, part.base, columns));
        return head && { rows, head, columns: fileColumns(head, columns)! };
      }),
    );
    const targets = found.every((one) => one !== undefined) ? found : undefined;
    for (const { rows, head } of targets ?? [])
      if (rows.isAbsent && !(await inStore(() => rows.isAbsent!(head, query)))) return undefined;
    return targets;
  }

  #write(target: Target): Promise<DataFile> {
    return this.#options.session.connected((connection) => fileOf(connection, target));
  }

  async #commit(written: readonly Written[], id: string | undefined): Promise<TransactionResult> {
    const { heads, commit } = this.#options;
    const parts = written.map(({ rows }) => ({ ...rows.part, cutsNoText: () => true }));
    const made = await this.#snapshots(written);
    // Whatever becomes of the commit, they are not what is remembered.
    for (const { table } of parts) heads.forget(table);
    const result = await commit(
      parts,
      made.map(({ change }) => change),
      id,
    );
    this.committed(made);
    return result;
  }

  #snapshots(written: readonly Written[]): Promise<NewSnapshot[]> {
    return Promise.all(written.map((one) => inStore(() => this.#snapshot(one))));
  }

  /** Writes the manifest of the file and the manifest list of the snapshot with it. */
  async #snapshot({ rows, head, columns, file }: Written): Promise<NewSnapshot> {
    const { buckets, clock } = this.#options;
    const snapshotId = newSnapshotId();
    const sequenceNumber = head.sequenceNumber + 1;
    const ids = { snapshotId, parentId: head.snapshotId, sequenceNumber };
    const place = { buckets, folder: head.metadataFolder, ...ids };
    const like = { specId: head.specId, isData: true, metadata: manifestMetadata(head) };
    const unique = randomUUID();
    const added = [manifestEntry(file, columns)];
    const listed = encodedList([await writeManifest(place, `${unique}-m0.avro`, { ...NO_FILES, like, added })]);
    const manifests = {
      count: head.manifests.count + listed.count,
      data: Buffer.concat([head.manifests.data, listed.data]),
    };
    const manifestList = await writeManifestList(place, `snap-${snapshotId}-0-${unique}.avro`, manifests);
    const timestampMs = Math.max(clock.nowMs(), head.timestampMs + 1);
    const summary = summaryWith(head.summary, file);
    const past = head.snapshotId === undefined ? [] : [{ id: head.snapshotId, timestampMs: head.timestampMs }];
    const expired = rows.forgetsHistory ? expiredIn(head.older, clock.nowMs()) : [];
    const older = [...head.older.slice(expired.length), ...past];
    const next = { ...head, snapshotId, sequenceNumber, timestampMs, summary, manifests, older };
    const change = changeOf(rows.part, { from: head, to: next, manifestList, expired });
    return { table: rows.part.table, change, head: next };
  }
}

/** Rows, and the table that takes them. */
interface Target {
  rows: AppendedRows;
  head: Head;
  columns: FileColumn[];
}

type Written = Target & { file: DataFile };

type NewSnapshot = Omit<PreparedRows, "change"> & { change: TableChange };

const fileOf = (
  connection: DuckDBConnection,
  { rows: { select }, head: { dataFolder: folder }, columns }: Target,
): Promise<DataFile> => writeDataFile(connection, { folder, columns, select });

const NO_FILES = { existing: [], deleted: [] };

/** Errors of the files' store, as errors of the warehouse. */
async function inStore<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (thrown) {
    if (!codeOf(thrown).startsWith("BLOB_")) throw thrown;
    throw new TributaryError("WAREHOUSE_UNAVAILABLE", messageOf(thrown), { cause: thrown });
  }
}

/** The counts of a snapshot with one file more. A total that its parent does not tell stays unknown. */
function summaryWith(before: ReadonlyMap<string, string>, { rows, bytes }: DataFile): ReadonlyMap<string, string> {
  const added = [
    ["data-files", 1],
    ["records", rows],
    ["files-size", bytes],
  ] as const;
  const more = new Map<string, number>(added);
  const totals = [...before].flatMap(([name, text]): [string, string][] => {
    const counted = name.startsWith("total-") ? Number(text) + (more.get(name.slice("total-".length)) ?? 0) : NaN;
    return Number.isSafeInteger(counted) ? [[name, String(counted)]] : [];
  });
  return new Map([
    ["operation", "append"],
    ...added.map(([name, count]): [string, string] => [`added-${name}`, String(count)]),
    ...totals,
  ]);
}

/** The first snapshots that go. */
function expiredIn(older: readonly OlderSnapshot[], nowMs: number): bigint[] {
  const young = older.findIndex(({ timestampMs }) => nowMs - timestampMs < HISTORY.ageMsMin);
  const count = young < 0 ? older.length : young;
  return count < HISTORY.countMin ? [] : older.slice(0, count).map(({ id }) => id);
}

interface NewHead {
  from: Head;
  to: Head & { snapshotId: bigint };
  manifestList: string;
  expired: readonly bigint[];
}

function changeOf(
  { table: { namespace, name } }: WrittenPart,
  { from, to, manifestList, expired }: NewHead,
): TableChange {
  return {
    identifier: { namespace, name },
    requirements: [
      { type: "assert-table-uuid", uuid: from.uuid },
      { type: "assert-current-schema-id", "current-schema-id": from.schemaId },
      { type: "assert-default-spec-id", "default-spec-id": from.specId },
      { type: "assert-default-sort-order-id", "default-sort-order-id": from.sortOrderId },
      { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": from.snapshotId ?? null },
    ],
    updates: [
      ...newCurrent({
        "snapshot-id": to.snapshotId,
        ...(from.snapshotId === undefined ? {} : { "parent-snapshot-id": from.snapshotId }),
        "sequence-number": to.sequenceNumber,
        "timestamp-ms": to.timestampMs,
        "manifest-list": manifestList,
        summary: Object.fromEntries(to.summary),
        "schema-id": from.schemaId,
      }),
      ...(expired.length > 0 ? [{ action: "remove-snapshots", "snapshot-ids": expired } as const] : []),
    ],
  };
}
