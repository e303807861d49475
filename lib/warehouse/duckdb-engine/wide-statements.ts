import type { DuckDBConnection } from "@duckdb/node-api";

/**
 * Gives DuckDB all threads while a statement over many rows runs, and otherwise one. With more than one, the
 * caller of a statement polls without a pause while another thread waits for the object store or the
 * catalog: that took a quarter of a small commit's processor time (DuckDB 1.5.5). The setting is of the whole
 * instance, so small statements beside a large one poll too.
 */
export class WideStatements {
  readonly #threadsMax: number;
  #running = 0;
  /** The setting that the instance has. */
  #threads = 1;
  #setting: Promise<void> = Promise.resolve();

  constructor(threadsMax: number) {
    this.#threadsMax = threadsMax;
  }

  /** Runs `work`, whose statements get all threads. */
  async during<T>(connection: DuckDBConnection, work: () => Promise<T>): Promise<T> {
    this.#running++;
    try {
      await this.#set(connection);
      return await work();
    } finally {
      this.#running--;
      // An instance that failed has no threads to give back.
      await this.#set(connection).catch(() => undefined);
    }
  }

  /** One change at a time: each sets what is due when its turn comes. */
  #set(connection: DuckDBConnection): Promise<void> {
    const change = this.#setting.then(async () => {
      const due = this.#running > 0 ? this.#threadsMax : 1;
      if (due === this.#threads) return;
      await connection.run(`SET GLOBAL threads = ${due}`);
      this.#threads = due;
    });
    this.#setting = change.catch(() => undefined);
    return change;
  }
}
