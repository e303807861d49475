import type { DuckDBConnection } from "@duckdb/node-api";

/**
 * Gives DuckDB all threads while a statement over many rows runs, and otherwise one. With more than one, the
 * caller of a statement polls without a pause while another thread waits for the object store or the
 * catalog: that took a quarter of a small commit's processor time (DuckDB 1.5.5). The setting is of the whole
 * instance, so small statements beside a large one poll too.
 *
 * Threads are taken away only while no other statement of the instance runs: `SET threads` waits for the
 * threads that end, with a lock that each statement takes. A thread that runs a COMMIT of the Iceberg
 * extension runs an inner statement, so it would wait for the lock for ever.
 */
export class WideStatements {
  readonly #threadsMax: number;
  /** Statements that run. */
  #running = 0;
  /** The setting that the instance has. */
  #threads = 1;
  #widening: Promise<void> = Promise.resolve();
  /** Statements that begin wait for its end. */
  #narrowing: Promise<void> | undefined;

  constructor(threadsMax: number) {
    this.#threadsMax = threadsMax;
  }

  /** Runs `work`. All statements that may commit run so. `wide`: they get all threads. */
  async during<T>(connection: DuckDBConnection, wide: boolean, work: () => Promise<T>): Promise<T> {
    while (this.#narrowing) await this.#narrowing;
    this.#running++;
    try {
      if (wide) await this.#widen(connection);
      return await work();
    } finally {
      this.#running--;
      await this.#narrowIfQuiet(connection);
    }
  }

  /** One change at a time: others wait for it. */
  #widen(connection: DuckDBConnection): Promise<void> {
    const change = this.#widening.then(async () => {
      if (this.#threads < this.#threadsMax) await this.#set(connection, this.#threadsMax);
    });
    this.#widening = change.catch(() => undefined);
    return change;
  }

  async #narrowIfQuiet(connection: DuckDBConnection): Promise<void> {
    if (this.#running > 0 || this.#threads === 1) return;
    // An instance that failed has no threads to give back.
    const change = this.#set(connection, 1).catch(() => undefined);
    this.#narrowing = change.finally(() => (this.#narrowing = undefined));
    await this.#narrowing;
  }

  async #set(connection: DuckDBConnection, threads: number): Promise<void> {
    await connection.run(`SET GLOBAL threads = ${threads}`);
    this.#threads = threads;
  }
}
