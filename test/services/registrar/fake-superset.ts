/**
 * The part of Superset's REST API that the registrar uses, over HTTP, with the responses of Superset 6.1.0.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Row = Record<string, unknown> & { id: number; uuid: string };
type Kind = "database" | "dataset" | "chart" | "dashboard";

interface Asked {
  method: string;
  path: string;
  body: Record<string, unknown>;
  query: { filters?: { col: string; value: unknown }[]; page?: number; page_size?: number };
}

class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export const ACCESS = { user: "admin", password: "correct" };

export class FakeSuperset {
  url = "";
  /** Table → columns, as in Trino. */
  readonly trino = new Map<string, string[]>();
  readonly rows: Record<Kind, Row[]> = { database: [], dataset: [], chart: [], dashboard: [] };
  password = ACCESS.password;
  /** Responds with 503 to every request. */
  away = false;
  /** Called before each request is processed; a thrown Refusal is the response. */
  before: (asked: Asked) => void | Promise<void> = () => undefined;
  /** Called after the request is processed, before the response. */
  after: (asked: Asked) => void = () => undefined;
  /** `METHOD path` of every request, including logins. */
  readonly requests: string[] = [];
  readonly #server: Server;
  #logins = 0;
  #lastId = 0;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<FakeSuperset> {
    const fake = new FakeSuperset();
    fake.#server.listen(0, "127.0.0.1");
    await once(fake.#server, "listening");
    fake.url = `http://127.0.0.1:${(fake.#server.address() as AddressInfo).port}`;
    return fake;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  static refusal = (status: number, message = "no"): Error => new Refusal(status, message);

  /** Requests that change data. */
  get writes(): string[] {
    return this.requests.filter((line) => !line.startsWith("GET ") && !line.endsWith(" security/login"));
  }

  dataset(name: string): Row | undefined {
    return this.rows.dataset.find((row) => row["table_name"] === name);
  }

  columnsOf(name: string): string[] {
    return (this.dataset(name)?.["columns"] as string[] | undefined) ?? [];
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Asked on the side, so it is none of the requests that tests count.
    if (request.url === "/health") return void response.writeHead(this.away ? 503 : 200).end("OK");
    const say = (status: number, body: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    try {
      let text = "";
      for await (const chunk of request.setEncoding("utf8")) text += chunk as string;
      const { pathname, searchParams } = new URL(request.url!, this.url);
      const asked: Asked = {
        method: request.method!,
        path: pathname.replace("/api/v1/", ""),
        body: JSON.parse(text || "{}") as Asked["body"],
        query: JSON.parse(searchParams.get("q") ?? "{}") as Asked["query"],
      };
      this.requests.push(`${asked.method} ${asked.path}`);
      if (this.away) throw new Refusal(503, "away");
      await this.before(asked);
      if (asked.path === "security/login") return say(200, this.#login(asked.body));
      this.#authorise(request, asked);
      if (asked.path === "security/csrf_token/") response.setHeader("set-cookie", "session=s1; HttpOnly; Path=/");
      const answer = this.#carryOut(asked);
      this.after(asked);
      say(200, answer);
    } catch (error) {
      say(error instanceof Refusal ? error.status : 500, { message: error instanceof Error ? error.message : error });
    }
  }

  #login({ username, password }: Record<string, unknown>): object {
    if (username !== ACCESS.user || password !== this.password) throw new Refusal(401, "Not authorized");
    return { access_token: `token-${++this.#logins}` };
  }

  #authorise({ headers }: IncomingMessage, { method }: Asked): void {
    if (!/^Bearer token-\d+$/.test(headers.authorization ?? "")) throw new Refusal(401, "Missing Authorization Header");
    const trusted = headers["x-csrftoken"] === "csrf" && headers.cookie === "session=s1";
    if (method !== "GET" && !trusted) throw new Refusal(400, "The CSRF token is missing.");
  }

  #carryOut({ method, path, body, query }: Asked): object {
    if (path === "security/csrf_token/") return { result: "csrf" };
    const [kind, which, part] = path.split("/") as [Kind, string, string?];
    if (method === "POST") return this.#make(kind, body);
    if (which === "") return this.#list(kind, query);
    const row = this.rows[kind].find(({ id, uuid }) => String(id) === which || uuid === which);
    if (!row) throw new Refusal(404, "Not found");
    if (part === "tables") return { result: [...this.trino.keys()].map((value) => ({ value })) };
    if (part === "refresh") row["columns"] = this.#columnsInTrino(row["table_name"] as string);
    else if (method === "PUT") Object.assign(row, kind === "dashboard" ? this.#layout(body) : body);
    if (kind !== "dataset") return { result: row };
    return { result: { ...row, columns: (row["columns"] as string[]).map((column_name) => ({ column_name })) } };
  }

  /** Superset stores the layout separately from the other metadata. */
  #layout(body: Record<string, unknown>): object {
    const { positions, ...metadata } = JSON.parse(body["json_metadata"] as string) as { positions?: object };
    return { json_metadata: JSON.stringify(metadata), position_json: JSON.stringify(positions) };
  }

  #make(kind: Kind, body: Record<string, unknown>): object {
    const nameOf: Record<Kind, string> = {
      database: "database_name",
      dataset: "table_name",
      chart: "uuid",
      dashboard: "slug",
    };
    const name = body[nameOf[kind]];
    if (this.rows[kind].some((row) => row.uuid === body["uuid"] || row[nameOf[kind]] === name)) {
      throw new Refusal(422, `${kind} ${String(name)} already exists`);
    }
    const defaults =
      kind === "dataset" ? { kind: "physical", extra: null, columns: this.#columnsInTrino(name as string) } : {};
    const empty = kind === "dashboard" ? { position_json: null, json_metadata: null } : {};
    const row: Row = { ...empty, ...defaults, ...body, id: ++this.#lastId, uuid: body["uuid"] as string };
    this.rows[kind].push(row);
    return { id: row.id };
  }

  #columnsInTrino(table: string): string[] {
    const columns = this.trino.get(table);
    if (!columns) throw new Refusal(422, `Table [${table}] could not be found`);
    return columns;
  }

  #list(kind: Kind, { filters = [], page = 0, page_size: size = 20 }: Asked["query"]): object {
    const matches = this.rows[kind].filter((row) => filters.every(({ col, value }) => row[col] === value));
    return { result: matches.slice(page * size, (page + 1) * size) };
  }
}
