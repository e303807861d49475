import { trino } from "../dialect.ts";
import type { Clock } from "../../../clock.ts";
import { hasCode } from "../../../errors.ts";
import { identifier, type SqlColumn } from "../../sql/sql.ts";
import type { StatementResult, TrinoClient } from "../client/client.ts";
import { trinoFailureOf } from "../client/errors.ts";

/**
 * Minimum age of leftovers. An older file or table of another writer comes from a dead writer. A younger one
 * may wait for a commit that cannot succeed yet.
 */
export const LEFTOVER_AGE_MS = 3 * 24 * 60 * 60 * 1000;

/**
 * Adds the Parquet files in the folder `location` to the table with add files. This is one atomic change. It
 * throws if the table already has one of the files.
 */
export async function addFiles(client: TrinoClient, table: string, location: string): Promise<StatementResult> {
  const folder = trino.stringLiteral(location);
  return client.run(`ALTER TABLE ${table} EXECUTE add_files(location => ${folder}, format => 'PARQUET')`);
}

/**
 * Creates stage tables over staged files. They are in a separate schema beside the tables' schema
 * (`<schema>_staging`), where no user looks. Each name contains its creation time, which identifies
 * leftovers.
 */
export class StageTables {
  readonly #client: TrinoClient;
  readonly #clock: Clock;
  readonly #schema: string;
  readonly #writer: string;
  #made = 0;
  #schemaReady: Promise<unknown> | undefined;

  /** Every process has a different `writer`. */
  constructor(client: TrinoClient, clock: Clock, schema: string, writer: string) {
    this.#client = client;
    this.#clock = clock;
    this.#schema = `${schema}_staging`;
    this.#writer = writer;
  }

  /**
   * Creates a table of the Parquet files in the folder `location` and returns its qualified, quoted name.
   */
  async create(columns: readonly SqlColumn[], location: string): Promise<string> {
    await this.#ensureSchema();
    const name = `stage_${this.#clock.nowMs()}_${this.#writer}_${++this.#made}`;
    const table = `${identifier(this.#schema)}.${identifier(name)}`;
    await this.#client.run(`CREATE TABLE ${table} (${trino.columnDefinitions(columns)}) WITH (format = 'PARQUET')`);
    await addFiles(this.#client, table, location);
    return table;
  }

  /** Drops the table. It never throws, because a later sweep drops the tables that remain. */
  async drop(table: string): Promise<void> {
    await this.#client.run(`DROP TABLE IF EXISTS ${table}`).catch(() => undefined);
  }

  /** Drops the tables that dead writers left, and returns their number. */
  async sweep(): Promise<number> {
    let rows: unknown[][];
    try {
      ({ rows } = await this.#client.run(`SHOW TABLES FROM ${identifier(this.#schema)} LIKE 'stage\\_%' ESCAPE '\\'`));
    } catch (thrown) {
      if (trinoFailureOf(thrown)?.errorName === "SCHEMA_NOT_FOUND") return 0;
      throw thrown;
    }
    const before = this.#clock.nowMs() - LEFTOVER_AGE_MS;
    const old = rows.map(([name]) => String(name)).filter((name) => Number(name.split("_")[1]) < before);
    for (const name of old) await this.drop(`${identifier(this.#schema)}.${identifier(name)}`);
    return old.length;
  }

  async #ensureSchema(): Promise<void> {
    this.#schemaReady ??= this.#client.run(`CREATE SCHEMA IF NOT EXISTS ${identifier(this.#schema)}`);
    try {
      await this.#schemaReady;
    } catch (thrown) {
      this.#schemaReady = undefined;
      if (!hasCode(thrown, "WAREHOUSE_CONFLICT")) throw thrown;
    }
  }
}
