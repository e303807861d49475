/** Default catalog and schema of a statement's unqualified names. */
export interface Session {
  catalog?: string;
  schema?: string;
}

interface Page {
  nextUri?: string;
  data?: unknown[][];
  error?: { message: string; errorName: string };
  stats?: { processedRows: number; cpuTimeMillis: number };
}

/** The rows of a statement and its cost on the server. */
export interface Answer {
  rows: unknown[][];
  processedRows: number;
  cpuMs: number;
}

/**
 * Runs one statement on Trino over HTTP and returns its rows. `trino` is http://host:port.
 * @throws Error with Trino's message, or fetch's error if Trino is unreachable
 */
export const statement = async (trino: string, sql: string, session: Session = {}): Promise<unknown[][]> =>
  (await answersTo(trino, sql, session)).rows;

/** As `statement`, with the cost. */
export async function answersTo(trino: string, sql: string, session: Session = {}): Promise<Answer> {
  const headers = {
    "x-trino-user": "tributary",
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
    if (page.error) throw new Error(`${sql.slice(0, 300)}: ${page.error.errorName}: ${page.error.message}`);
    if (page.nextUri === undefined) {
      const { processedRows = 0, cpuTimeMillis: cpuMs = 0 } = page.stats ?? {};
      return { rows, processedRows, cpuMs };
    }
    page = await ask(page.nextUri, { headers });
  }
}
