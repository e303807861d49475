import { rm } from "node:fs/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import { duckdb } from "./dialect.ts";
import { decimalOf } from "../../columns.ts";
import type { RowBatch } from "../../messages/generated.ts";
import { BufferedStage, type RowBuffer } from "../staging/buffered-stage.ts";
import { ChunkAppender } from "../staging/chunk.ts";
import type { PlanLoader } from "../staging/plan-loader.ts";
import { plannedColumns, type PlannedFile } from "../staging/planned-rows.ts";
import { decodeRows, rowFieldsOf, type RowField } from "../../rows/row-decoder.ts";
import { identifier, type SqlColumn } from "../sql/sql.ts";

/** The instance's own in-memory database, which holds staged rows. It spills to the temporary folder. */
const STAGING = "memory";

/** What a stage needs of the instance. */
export interface StagingDatabase {
  run(sql: string): Promise<void>;
  /** A unique name for a staging table. */
  stagingName(): string;
  /** A connection for appenders only: they work synchronously. The caller closes it. */
  appenderConnection(): Promise<DuckDBConnection>;
  /** Writes the rows of load plans where `run` can read them. */
  readonly plans: PlanLoader;
}

/** Staged rows with the same columns: a table of the staging database, or a Parquet file. */
export interface StagedPart {
  /** What a SELECT reads them from: a table, quoted and qualified, or a SELECT in parentheses. */
  readonly table: string;
  readonly columns: readonly SqlColumn[];
}

/** The type of a staged column. It is as wide as its Avro encoding permits; decimals have 64 or 128 bits. */
function stagedColumn({ name, type }: RowField): SqlColumn {
  const decimal = decimalOf(type);
  if (!decimal) return { name, type };
  return { name, type: `DECIMAL(${decimal.precision > 18 ? 38 : 18},${decimal.scale})` };
}

/** Staging tables that hold row batches, one table for each distinct row schema. */
export class StagedRows {
  readonly #database: StagingDatabase;
  #connection: DuckDBConnection | undefined;
  readonly #open = new Map<string, ChunkAppender>();
  readonly #parts: StagedPart[] = [];

  constructor(database: StagingDatabase) {
    this.#database = database;
  }

  async append(batch: RowBatch): Promise<void> {
    const columns = rowFieldsOf(batch.writerSchema).map(stagedColumn);
    const shape = duckdb.columnDefinitions(columns);
    const appender = this.#open.get(shape) ?? (await this.#create(shape, columns));
    appender.append(decodeRows(batch));
  }

  /** All rows appended so far, now readable. Later batches go to new parts. */
  parts(): readonly StagedPart[] {
    for (const appender of this.#open.values()) appender.close();
    this.#open.clear();
    return this.#parts;
  }

  /** Drops all staging tables. Idempotent. */
  async drop(): Promise<void> {
    const parts = this.parts().slice();
    this.#parts.length = 0;
    this.#connection?.closeSync();
    this.#connection = undefined;
    if (parts.length > 0) await this.#database.run(parts.map((part) => `DROP TABLE IF EXISTS ${part.table}`).join(";"));
  }

  async #create(shape: string, columns: readonly SqlColumn[]): Promise<ChunkAppender> {
    const name = this.#database.stagingName();
    const table = `${identifier(STAGING)}.main.${identifier(name)}`;
    await this.#database.run(`CREATE TABLE ${table} (${shape})`);
    this.#parts.push({ table, columns });
    this.#connection ??= await this.#database.appenderConnection();
    const appender = new ChunkAppender(await this.#connection.createAppender(name, "main", STAGING));
    this.#open.set(shape, appender);
    return appender;
  }
}

/** A row buffer that holds small amounts in memory and spills larger ones to staging tables. */
class StagedBuffer implements RowBuffer {
  readonly #database: StagingDatabase;
  readonly #bytesHeldMax: number;
  #held: RowBatch[] = [];
  #heldBytes = 0;
  #rows: StagedRows | undefined;
  readonly #planned: { part: StagedPart; path: string }[] = [];
  count = 0;
  sizeBytes = 0;

  constructor(database: StagingDatabase, bytesHeldMax: number) {
    this.#database = database;
    this.#bytesHeldMax = bytesHeldMax;
  }

  async add(batch: RowBatch): Promise<void> {
    this.count += batch.rowCount;
    this.sizeBytes += batch.rows.length;
    if (this.#rows) return this.#rows.append(batch);
    this.#held.push(batch);
    this.#heldBytes += batch.rows.length;
    if (this.#heldBytes > this.#bytesHeldMax) await this.#spill();
  }

  async load(file: PlannedFile): Promise<void> {
    const { path, rows } = await this.#database.plans.write(file);
    this.#planned.push({ path, part: { table: `(${rows})`, columns: plannedColumns(file.plan) } });
    this.count += file.plan.rowCount;
    this.sizeBytes += file.plan.textBytes;
  }

  /**
   * Returns the buffer's own parts: those of load plans, and its staging tables, if it has any. Otherwise it
   * appends the other rows to `shared`.
   */
  async into(shared: StagedRows): Promise<readonly StagedPart[]> {
    if (!this.#rows) for (const batch of this.#held) await shared.append(batch);
    return this.#ownParts();
  }

  #ownParts(): StagedPart[] {
    return [...this.#planned.map(({ part }) => part), ...(this.#rows?.parts() ?? [])];
  }

  /** The batches in memory; none if the rows are in staging tables. */
  get held(): readonly RowBatch[] {
    return this.#held;
  }

  /** Offers the columns of each staging table to `use`, which has its rows written as a Parquet file. */
  async export(
    use: (columns: readonly SqlColumn[], write: (path: string) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    for (const { table, columns } of this.#ownParts()) {
      await use(columns, (path) =>
        this.#database.run(`COPY (FROM ${table}) TO ${duckdb.stringLiteral(path)} (FORMAT parquet)`),
      );
    }
  }

  async discard(): Promise<void> {
    this.#held = [];
    const rows = this.#rows;
    this.#rows = undefined;
    await rows?.drop();
    for (const { path } of this.#planned.splice(0)) await rm(path, { force: true });
  }

  async #spill(): Promise<void> {
    this.#rows = new StagedRows(this.#database);
    for (let batch = this.#held.shift(); batch; batch = this.#held.shift()) await this.#rows.append(batch);
  }
}

/** The rows and rejects of a parse run in DuckDB. */
export class DuckDbStage extends BufferedStage<StagedBuffer> {
  /**
   * Up to `bytesHeldMax` encoded bytes of rows, and the same amount of rejects, stay in memory unchanged.
   */
  constructor(database: StagingDatabase, bytesHeldMax: number) {
    super(new StagedBuffer(database, bytesHeldMax), new StagedBuffer(database, bytesHeldMax));
  }
}
