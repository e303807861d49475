import { setTimeout } from "node:timers/promises";

/** Default catalog and schema of a statement's unqualified names. */
export interface Session {
  catalog?: string;
  schema?: string;
}

interface Failure {
  message: string;
  errorName: string;
}

interface Page {
  nextUri?: string;
  data?: unknown[][];
  error?: Failure;
  stats?: { processedRows: number; cpuTimeMillis: number };
}

/** The rows of a statement and its cost on the server. */
export interface Answer {
  rows: unknown[][];
  processedRows: number;
  cpuMs: number;
}

/**
 * Runs one statement on Trino over HTTP and returns its rows. `trino` is http://host:port. Runs it again for
 * up to `NODES_WAIT_MS` while Trino has no active node: a busy node's announcement can lapse for seconds.
 * @throws Error with Trino's message, or fetch's error if Trino is unreachable
 */
export const statement = async (trino: string, sql: string, session: Session = {}): Promise<unknown[][]> =>
  (await answersTo(trino, sql, session)).rows;

const NODES_WAIT_MS = 30_000;
const NODES_RETRY_MS = 500;

/** As `statement`, with the cost. */
export async function answersTo(trino: string, sql: string, session: Session = {}): Promise<Answer> {
  const giveUpAtMs = Date.now() + NODES_WAIT_MS;
  for (;;) {
    const answer = await runOnce(trino, sql, session);
    if ("rows" in answer) return answer;
    if (answer.errorName !== "NO_NODES_AVAILABLE" || Date.now() >= giveUpAtMs) {
      throw new Error(`${sql.slice(0, 300)}: ${answer.errorName}: ${answer.message}`);
    }
    await setTimeout(NODES_RETRY_MS);
  }
}

async function runOnce(trino: string, sql: string, session: Session): Promise<Answer | Failure> {
  const headers = {
    "x-trino-user": "tributary",
    // The resource group of commits, so that a start never waits for users' queries.
    "x-trino-source": "tributary",
    ...(session.catalog === undefined ? {} : { "x-trino-catalog": session.catalog }),
    ...(session.schema === undefined ? {} : { "x-trino-schema": session.schema }),
  };
  const ask = async (url: string, init: RequestInit): Promise<Page> => {
    const response = await fetch(url, init);
    if (!response.ok)
      throw new Error(`${url} responds with status ${response.status}: ${(await response.text()).slice(0, 300)}`);
    return (await response.json()) as Page;
  };
  let page = await ask(`${trino}/v1/statement`, { method: "POST", body: sql, headers });
  const rows: unknown[][] = [];
  for (;;) {
    rows.push(...(page.data ?? []));
    if (page.error) return page.error;
    if (page.nextUri === undefined) {
      const { processedRows = 0, cpuTimeMillis: cpuMs = 0 } = page.stats ?? {};
      return { rows, processedRows, cpuMs };
    }
    page = await ask(page.nextUri, { headers });
  }
}
