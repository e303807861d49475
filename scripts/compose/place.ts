import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "../../lib/errors.ts";

/** A running compose as this machine reaches it. */
export interface Place {
  /** The value of a variable of .env, or its default in .env.example. */
  env: (name: string) => string;
  /** http://host:port of the port that the variable names. */
  urlOf: (portVariable: string) => string;
  /** Sends a request with the admin's key. @throws Error with the answer's text unless it succeeded */
  gateway: <T>(method: string, path: string, body?: Body) => Promise<T>;
  /** Runs `docker compose` on the project and returns its output. */
  compose: (...args: string[]) => Promise<string>;
  /** When the container was started, as Docker writes it. */
  startedAt: (container: string) => Promise<string>;
}

export interface Body {
  type: "application/json" | "text/csv";
  text: string;
}

export interface Container {
  id: string;
  service: string;
  state: string;
  /** Empty without a health check. */
  health: string;
}

type Fields = Readonly<Record<string, string>>;

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
/** Longer than the gateway waits for a commit. */
const ANSWER_MS_MAX = 150_000;
const EXAMPLE_KEY = "change-me-api-key";

/** NAME=value lines; a value may be in quotes. */
export function variablesOf(text: string): Map<string, string> {
  const lines = text.matchAll(/^([A-Z][A-Z0-9_]*)=(?:"([^"]*)"|'([^']*)'|(.*))$/gm);
  return new Map([...lines].map(([, name, double, single, bare]) => [name!, double ?? single ?? bare!.trim()]));
}

/**
 * @param folder infra/, with compose.yml and .env
 * @throws Error if there is no .env, or no API key that its hash fits
 */
export function openPlace(folder: string, apiKey: string = EXAMPLE_KEY): Place {
  if (!existsSync(join(folder, ".env"))) throw new Error(`${folder}/.env is missing: cp .env.example .env`);
  const given = [".env.example", ".env"].flatMap((file) => [...variablesOf(readFileSync(join(folder, file), "utf8"))]);
  const values = new Map(given);
  const env = (name: string): string => values.get(name) ?? "";
  if (createHash("sha256").update(apiKey).digest("hex") !== env("API_KEY_SHA256"))
    throw new Error("TRIBUTARY_API_KEY is not the key of API_KEY_SHA256 in .env: export it");
  const urlOf = (portVariable: string): string => `http://127.0.0.1:${env(portVariable)}`;
  const execute = promisify(execFile);
  const docker = async (...args: string[]): Promise<string> =>
    (await execute("docker", args, { cwd: folder, maxBuffer: OUTPUT_BYTES_MAX })).stdout;
  return {
    env,
    urlOf,
    gateway: <T>(method: string, path: string, body?: Body) =>
      jsonOf<T>(`${urlOf("GATEWAY_PORT")}${path}`, {
        method,
        headers: { authorization: `Bearer ${apiKey}`, ...(body && { "content-type": body.type }) },
        ...(body && { body: body.text }),
      }),
    compose: (...args) => docker("compose", ...args),
    startedAt: (container) => docker("inspect", "--format", "{{.State.StartedAt}}", container),
  };
}

/** @throws Error with the status and the answer's text unless the request succeeded */
export async function jsonOf<T>(url: string, options: RequestInit = {}): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX), ...options });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: status ${response.status}: ${text.slice(0, 300)}`);
  return JSON.parse(text) as T;
}

/** The project's containers, with those of finished jobs. */
export async function containersOf({ compose }: Place): Promise<Container[]> {
  const lines = (await compose("ps", "--all", "--format", "json")).trim().split("\n").filter(Boolean);
  // Older versions print one list, newer ones a line for each container.
  const found = lines.flatMap((line) => [JSON.parse(line) as Fields | Fields[]].flat());
  return found.map((one) => ({
    id: one["ID"] ?? "",
    service: one["Service"] ?? "",
    state: one["State"] ?? "",
    health: one["Health"] ?? "",
  }));
}

/**
 * Checks at once what nothing can be tested without.
 * @throws Error if there is no `docker compose`, or no gateway of this project at the port that .env names
 */
export async function checkRuns(place: Place): Promise<void> {
  await place.compose("version").catch((error: unknown) => {
    throw new Error(`docker compose does not work on this machine: ${messageOf(error)}`);
  });
  const found = await containersOf(place);
  if (!found.some(({ service, state }) => service === "gateway" && state === "running"))
    throw new Error("the gateway of this compose does not run: docker compose up -d --wait");
  const address = (await place.compose("port", "gateway", "8080")).trim();
  const port = place.env("GATEWAY_PORT");
  if (!address.endsWith(`:${port}`))
    throw new Error(`the gateway is at ${address || "no port"}, GATEWAY_PORT is ${port}: docker compose up -d --wait`);
}
