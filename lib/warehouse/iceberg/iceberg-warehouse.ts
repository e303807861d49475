import { availableParallelism } from "node:os";
import { systemClock, type Clock } from "../../clock.ts";
import type { ColumnDefinition } from "../../columns.ts";
import type { BlobStore } from "../../blob/blob-store.ts";
import { duckdb } from "../duckdb-engine/dialect.ts";
import { internalQuery } from "../duckdb-engine/internal-query.ts";
import { QueryRunner } from "../duckdb-engine/queries/query-runner.ts";
import { DuckDbStage } from "../duckdb-engine/stage.ts";
import { customSelects, measure } from "../reads/checks.ts";
import type { CheckMeasurements, MeasuredTable, ReadLimits, TableCheck, WarehouseReads } from "../reads/port.ts";
import type { SqlReader } from "../reads/sql-reader.ts";
import { sqlReads } from "../reads/sql-reads.ts";
import type {
  CommitOptions,
  CommitReceipt,
  LogRow,
  LogTable,
  MaintenanceOperation,
  MaintenanceOptions,
  MaintenanceResult,
  MicroBatch,
  Published,
  QueryOptions,
  QueryResult,
  RecordedContent,
  RecordedFile,
  RecordedVersions,
  Stage,
  TableDescription,
  TableHealth,
  TableLayout,
  Warehouse,
} from "../warehouse.ts";
import { Appender } from "./append/appender.ts";
import { Heads } from "./append/heads.ts";
import { checkedExtensions, type Attachment } from "./attach.ts";
import { catalogOptionsOf, type GivenCatalog } from "./catalog/options.ts";
import { openRestCatalog, type RestCatalog } from "./catalog/rest-catalog.ts";
import { Bases } from "./commit/bases.ts";
import { Buckets } from "./tables/buckets.ts";
import { commitBatch } from "./commit/commit.ts";
import type { IcebergContext } from "./commit/context.ts";
import { withoutTorn } from "./commit/torn.ts";
import { dropTable } from "./drop.ts";
import { catalogCall } from "./errors.ts";
import { temporaryPath } from "../../temporary-folders.ts";
import type { GateEvent } from "../gate-events.ts";
import { assertFit, type FirstStart } from "./doctor/first-start.ts";
import { openGate, type OpenGate } from "./gate/open-gate.ts";
import { commitOf, throughCatalog } from "./gate/through-catalog.ts";
import { prepared } from "./prepared-commits.ts";
import { IcebergLedger } from "./ledger.ts";
import { healthOf } from "./maintenance/health.ts";
import { maintainTable } from "./maintenance/maintain.ts";
import { hold, publish, publishedOf, versionOf, withdraw } from "./published.ts";
import { queryTables } from "./queries.ts";
import { replaceTable } from "./replace.ts";
import { openSession, type Session } from "./session.ts";
import { guardForTrino, type Guard } from "./tables/guards.ts";
import { IcebergTables } from "./tables/tables.ts";
import { targetOf } from "./target.ts";
import { withPhysicalNames } from "./sql-names.ts";
import { TextBounds } from "./text-bounds.ts";

export interface IcebergOptions {
  clock?: Clock;
  /** The catalog and the login to it. What the URL names counts first. */
  catalog?: Omit<GivenCatalog, "s3">;
  /** Of the tables' files; its keys also sign requests to the catalog, if `catalog` says so. */
  s3?: Attachment["s3"];
  /** Opens the bucket of a table's files. Who opens it closes it, after the warehouse. */
  openBucket?: (url: string) => Promise<BlobStore>;
  /** Trino's name of this catalog, in which it looks for the tables of views. Default: `rest`. */
  trinoCatalog?: string;
  /** PEM certificates that replace Node's built-in ones. */
  ca?: readonly string[];
  /** Holds DuckDB's extension files: avro, httpfs, iceberg. */
  extensionsFolder?: string;
  /** DuckDB's memory limit. Default 1 GiB. */
  memoryBytesMax?: number;
  threads?: number;
  /** Rows that one MERGE of an upsert takes: a batch of more is merged in slices. Default 5,000,000. */
  mergeRowsMax?: number;
  /** Rows from which on an upsert may rewrite its whole table. Default 1,000,000. */
  rewriteRowsMin?: number;
  /** Encoded bytes that one stage holds in memory before it spills into a staging table. Default 4 MiB. */
  stageBytesHeldMax?: number;
  /** `doctor catalog` has shown that a commit of several tables is applied whole or not at all. */
  isAtomic?: boolean;
  onGateEvent?: (event: GateEvent) => void;
  /** Examines a catalog that was never used before. Default: it does not. */
  firstStart?: FirstStart;
  /** Default: ends the process, so that DuckDB deletes no file of a commit whose outcome is unknown. */
  onAbandoned?: () => void;
}

const MIB = 1024 * 1024;
/** Of one commit at the gate. */
const COMMIT_MS_MAX = 90_000;
const CLOSE_MS_MAX = 10_000;

/**
 * Opens the tables of an Iceberg REST catalog, which DuckDB writes through the commit gate. Several
 * processes may have it open, one writer for each table.
 * @throws CONFIG_INVALID, WAREHOUSE_UNAVAILABLE, WAREHOUSE_REFUSED
 */
export async function openIceberg(url: string, options: IcebergOptions = {}): Promise<IcebergWarehouse> {
  const { clock = systemClock, s3 = {}, ca } = options;
  const target = targetOf(url, options.catalog);
  const given = { ...options.catalog, ...target, s3: { ...s3, region: s3.region ?? "us-east-1" } };
  const catalogOptions = { ...catalogOptionsOf(given), ca, clock };
  const attachment = { s3, warehouse: target.warehouse, extensionsFolder: checkedExtensions(options.extensionsFolder) };
  const closing: (() => Promise<unknown> | void)[] = [];
  try {
    const catalog = await catalogCall(() => openRestCatalog(catalogOptions));
    closing.unshift(() => catalog.close());
    if (options.firstStart) {
      await assertFit({ catalog, options: catalogOptions }, target.namespace, options.firstStart);
    }
    const tables = new IcebergTables(catalog, target.namespace);
    const buckets = new Buckets(options.openBucket ?? noBucket);
    const heads = new Heads(catalog, buckets, [tables.idOf("_ingest_files")]);
    const opened: { session?: Session } = {};
    const bounds = new TextBounds({
      session: () => opened.session!,
      buckets,
      textIds: (name) => tables.textIds(name),
    });
    const gate = await openGate({
      send: prepared(throughCatalog(catalog, target.uri), (path, body) => bounds.repair(path, body)),
      clock,
      onEvent: options.onGateEvent ?? (() => undefined),
      deadlineMs: COMMIT_MS_MAX,
      isAtomic: options.isAtomic ?? false,
      onAbandoned: options.onAbandoned ?? (() => process.kill(process.pid, "SIGKILL")),
    });
    closing.unshift(() => gate.close(CLOSE_MS_MAX));
    const attached = { ...attachment, endpoint: gate.endpoint };
    const folder = temporaryPath("iceberg");
    const session = await openSession({
      url,
      attachment: attached,
      transaction: (parts, commit, id) =>
        heads.without(parts, () => bounds.during(parts, () => gate.transaction(parts, commit, id))),
      deadlineMs: COMMIT_MS_MAX,
      memoryBytesMax: options.memoryBytesMax ?? 896 * MIB,
      threads: options.threads ?? availableParallelism(),
      temporaryFolder: `${folder}.tmp`,
    });
    opened.session = session;
    closing.unshift(() => session.close());
    const { trinoCatalog = "rest", mergeRowsMax = 5_000_000, rewriteRowsMin = 1_000_000 } = options;
    const appender = appenderOf({ catalog, session, buckets, clock }, target.uri, { gate, bounds, heads });
    const served = { catalog, session, appender, heads, tables, buckets, clock };
    const shared = { ...served, namespace: target.namespace, trinoCatalog };
    const context = { ...shared, mergeRowsMax, rewriteRowsMin, bases: new Bases(clock) };
    await ensureNamespace(catalog, target.namespace);
    await tables.ensureInternal();
    const queries = queryTables(context, attached, `${folder}.queries`);
    return new IcebergWarehouse({
      url,
      context,
      queries,
      gate,
      stageBytesHeldMax: options.stageBytesHeldMax ?? 4 * MIB,
    });
  } catch (thrown) {
    for (const close of closing) await close();
    throw thrown;
  }
}

function appenderOf(
  { catalog, ...shared }: Pick<IcebergContext, "catalog" | "session" | "buckets" | "clock">,
  uri: string,
  { gate, bounds, heads }: { gate: OpenGate; bounds: TextBounds; heads: Heads },
): Appender {
  return new Appender({
    ...{ ...shared, heads },
    isTransactional: catalog.has("commitTransaction"),
    commit(parts, changes, id) {
      const { path, body } = commitOf(catalog, uri, changes);
      const commit = (): Promise<unknown> => gate.commit(path, JSON_HEADERS, body);
      return bounds.during(parts, () => gate.transaction(parts, commit, id));
    },
  });
}

const JSON_HEADERS = { "content-type": "application/json", accept: "application/json" };

const noBucket = (url: string): Promise<never> => Promise.reject(new Error(`nothing opens the bucket ${url}`));

async function ensureNamespace(catalog: RestCatalog, namespace: readonly string[]): Promise<void> {
  const existing = await catalogCall(() => catalog.listNamespaces());
  if (existing.some((one) => one.join("\n") === namespace.join("\n"))) return;
  await catalog.createNamespace(namespace).catch((thrown: unknown) => {
    if ((thrown as { code?: string }).code === "CATALOG_CONFLICT") return;
    return catalogCall(() => Promise.reject(thrown as Error));
  });
}

interface Parts {
  url: string;
  context: IcebergContext;
  queries: ReturnType<typeof queryTables>;
  gate: OpenGate;
  stageBytesHeldMax: number;
}

/** See `openIceberg`. */
export class IcebergWarehouse implements Warehouse {
  readonly url: string;
  readonly reads: WarehouseReads;
  readonly supports = { partitioning: true, snapshots: true, recordsWithRows: true };
  readonly #parts: Parts;
  readonly #context: IcebergContext;
  readonly #session: Session;
  readonly #tables: IcebergTables;
  readonly #ledger: IcebergLedger;
  readonly #reader: SqlReader;
  readonly #queries: QueryRunner;
  readonly #checks: QueryRunner;

  constructor(parts: Parts) {
    const { url, context, queries } = parts;
    const { session, tables, clock } = context;
    this.url = url;
    this.#parts = parts;
    this.#context = context;
    this.#session = session;
    this.#tables = tables;
    this.#ledger = new IcebergLedger(context);
    this.#reader = {
      dialect: duckdb,
      query: (sql, options) => internalQuery(session, clock, withPhysicalNames(sql, tables), options),
      describe: (table) => this.describe(table),
    };
    this.reads = sqlReads(this.#reader);
    this.#queries = new QueryRunner(queries, clock);
    this.#checks = new QueryRunner(queries, clock);
  }

  forget(table: string): void {
    this.#tables.forget(table);
    this.#context.bases.forget(table);
  }

  async locationOf(table: string): Promise<string | undefined> {
    return (await this.#tables.load(table))?.location;
  }

  guardOf(thrown: unknown): Guard | undefined {
    return guardForTrino(thrown);
  }

  /** Another process may have changed the columns. */
  describe(table: string): Promise<TableDescription | undefined> {
    return this.#tables.described(table);
  }

  tables(): Promise<string[]> {
    return this.#tables.names();
  }

  ensureTable(layout: TableLayout, columns: readonly ColumnDefinition[]): Promise<TableDescription> {
    return this.#tables.ensure(layout, columns);
  }

  stage(_table: string, _runId: string): Stage {
    return new DuckDbStage(this.#session, this.#parts.stageBytesHeldMax);
  }

  commit(batch: MicroBatch, options: CommitOptions = {}): Promise<CommitReceipt> {
    return commitBatch(this.#context, this.#ledger, batch, options);
  }

  record(table: string, ended: readonly RecordedFile[], recordedAtMs: number): Promise<void> {
    return this.#ledger.record(table, ended, recordedAtMs);
  }

  async recover(table: string, { confirmOwner = async () => undefined }: CommitOptions = {}): Promise<void> {
    await withoutTorn(this.#context, this.#ledger, table, confirmOwner);
  }

  recordedContents(table: string, sourceFiles: readonly string[]): Promise<RecordedContent[]> {
    return this.#ledger.recordedContents(table, sourceFiles);
  }

  recordedVersions(table: string): Promise<RecordedVersions> {
    return this.#ledger.recordedVersions(table);
  }

  drop(table: string, options: CommitOptions = {}): Promise<void> {
    return dropTable(this.#context, this.#ledger, table, options);
  }

  replaceWith(layout: TableLayout, shadow: string, options: CommitOptions = {}): Promise<void> {
    return replaceTable(this.#context, layout, shadow, options);
  }

  async watermark(table: string): Promise<number | undefined> {
    return (await this.#ledger.watermarks(table)).get(table);
  }

  watermarks(): Promise<Map<string, number>> {
    return this.#ledger.watermarks();
  }

  query(sql: string, options: QueryOptions): Promise<QueryResult> {
    return this.#queries.query(sql, options);
  }

  measure(
    table: MeasuredTable,
    checks: readonly TableCheck[],
    limits: ReadLimits & { nowMs: number },
  ): Promise<CheckMeasurements> {
    // SQL of a contract runs in a process like users' queries, but never waits for them.
    const parts = customSelects(checks);
    const query: SqlReader["query"] = (sql, options) => this.#checks.query(sql, options, parts);
    return measure(parts.length > 0 ? { ...this.#reader, query } : this.#reader, table, checks, limits);
  }

  health(table: string): Promise<TableHealth> {
    return healthOf(this.#context, table);
  }

  maintain(table: string, operation: MaintenanceOperation, options: MaintenanceOptions): Promise<MaintenanceResult> {
    return maintainTable({ context: this.#context, ledger: this.#ledger, table }, operation, options);
  }

  appendLog(table: LogTable, rows: readonly LogRow[]): Promise<void> {
    return this.#ledger.appendLog(table, rows);
  }

  async version(table: string): Promise<string> {
    const metadata = await this.#tables.load(table);
    return metadata ? versionOf(metadata) : "";
  }

  publish(table: string, version: string, atMs: number): Promise<boolean> {
    return publish(this.#context, table, version, atMs);
  }

  hold(table: string, sinceMs: number | null): Promise<void> {
    return hold(this.#context, table, sinceMs);
  }

  withdraw(table: string): Promise<void> {
    return withdraw(this.#context, table);
  }

  published(table: string): Promise<Published | undefined> {
    return publishedOf(this.#context, table);
  }

  async ready(): Promise<void> {
    await catalogCall(() => this.#context.catalog.loadTable(this.#tables.idOf("_ingest_files")));
    await this.#session.rows(`SELECT 1 FROM ${this.#tables.sqlOf("_ingest_files")} LIMIT 1`);
  }

  async close(): Promise<void> {
    await Promise.all([this.#queries.close(), this.#checks.close()]);
    await this.#ledger.drain();
    await this.#session.close();
    await this.#parts.gate.close(CLOSE_MS_MAX);
    this.#context.catalog.close();
  }
}
