import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { jsonText, parseJson } from "../../../lib/warehouse/iceberg/catalog/json.ts";
import { ENDPOINTS, type Endpoint } from "../../../lib/warehouse/iceberg/catalog/config.ts";
import { answerTo, type CatalogState, type StateOptions } from "./routes.ts";
import { Answer } from "./tables.ts";

/**
 * What happens to one request. `before`: the connection ends and nothing is done. `after`: it is done, then the
 * connection ends. A status: it is done, then the answer is this status; `refused`: nothing is done. `slow`: it is
 * done and the answer comes 300 ms later.
 */
export type Fault = "before" | "after" | "slow" | number | { refused: number };

export interface SeenRequest {
  method: string;
  path: string;
  body: string;
  headers: IncomingMessage["headers"];
}

export interface FakeCatalogOptions extends StateOptions {
  /** Client credentials `id:secret`. Default: no login. */
  credential?: string;
  /** Lifetime that the tokens claim. Default 3600. */
  tokenSeconds?: number;
  /** The path's prefix. Default `fake`. */
  prefix?: string;
  /** Endpoints that it lists. Default: all; null: it lists none. */
  endpoints?: readonly Endpoint[] | null;
  /** What happens to a request. Default: nothing. */
  fault?: (request: SeenRequest) => Fault | undefined;
}

export interface FakeRestCatalog {
  readonly uri: string;
  readonly state: CatalogState;
  readonly requests: readonly SeenRequest[];
  /** Tokens that it accepts. */
  readonly tokens: Set<string>;
  close(): Promise<void>;
}

/** Starts a small Iceberg REST catalog in memory, with faults. It writes no files. */
export async function startFakeRestCatalog(options: FakeCatalogOptions = {}): Promise<FakeRestCatalog> {
  const state: CatalogState = { tables: new Map(), namespaces: new Map(), views: new Map() };
  const requests: SeenRequest[] = [];
  const tokens = new Set<string>();
  const server = createServer((incoming, response) => {
    void serve(incoming, response).catch(() => incoming.socket.destroy());
  });

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? "/", "http://fake");
    const { method = "GET", headers } = incoming;
    const request = { method, path: url.pathname, body: await text(incoming), headers };
    requests.push(request);
    const fault = options.fault?.(request);
    if (fault === "before") return void incoming.socket.destroy();
    if (typeof fault === "object") return end(response, fault.refused, errorOf(fault.refused, "Refused", "a fault"));
    const answer = await answerOf(url, request);
    if (fault === "after") return void incoming.socket.destroy();
    if (fault === "slow") await delay(300);
    if (typeof fault === "number") return end(response, fault, "{}");
    end(response, ...answer);
  }

  async function answerOf(url: URL, request: SeenRequest): Promise<[number, string]> {
    try {
      if (url.pathname === "/v1/config") return [200, jsonText(configOf(options))];
      if (url.pathname === "/v1/oauth/tokens") return tokenAnswer(options, request.body, tokens);
      checkToken(options, request.headers.authorization, tokens);
      const prefix = `/v1/${options.prefix ?? "fake"}/`;
      if (!url.pathname.startsWith(prefix)) throw new Answer(404, "NotFound", "Path not found");
      const path = url.pathname.slice(prefix.length).split("/").map(decodeURIComponent);
      const body = request.body === "" ? {} : (parseJson(request.body) as Record<string, unknown>);
      const answer = await answerTo(state, options, { method: request.method, path, query: url.searchParams, body });
      return answer === undefined ? [204, ""] : [200, jsonText(answer)];
    } catch (error) {
      if (error instanceof Answer) return [error.status, errorOf(error.status, error.type, error.message)];
      return [500, errorOf(500, "InternalServerError", String(error))];
    }
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    requests,
    tokens,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const errorOf = (code: number, type: string, message: string): string =>
  JSON.stringify({ error: { message, type, code } });

function end(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(body);
}

function configOf({ endpoints, prefix = "fake" }: FakeCatalogOptions): object {
  const listed = endpoints === undefined ? (Object.keys(ENDPOINTS) as Endpoint[]) : endpoints;
  return {
    defaults: { clients: 4 },
    overrides: { prefix },
    ...(listed === null ? {} : { endpoints: listed.map((name) => ENDPOINTS[name]) }),
  };
}

function tokenAnswer(options: FakeCatalogOptions, body: string, tokens: Set<string>): [number, string] {
  const form = new URLSearchParams(body);
  const given = [form.get("client_id"), form.get("client_secret")].filter((one) => one !== null).join(":");
  if (form.get("grant_type") !== "client_credentials" || given !== options.credential) {
    return [401, JSON.stringify({ error: "invalid_client", error_description: "Invalid client credentials" })];
  }
  const token = randomUUID();
  tokens.add(token);
  const { tokenSeconds = 3_600 } = options;
  return [200, JSON.stringify({ access_token: token, token_type: "bearer", expires_in: tokenSeconds })];
}

function checkToken({ credential }: FakeCatalogOptions, authorization: string | undefined, tokens: Set<string>): void {
  if (credential === undefined || tokens.has(authorization?.replace(/^Bearer /, "") ?? "")) return;
  throw new Answer(401, "NotAuthorizedException", "Authentication required");
}
