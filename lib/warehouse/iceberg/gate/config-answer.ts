import type { CatalogAnswer } from "./catalog-port.ts";
import { exactText, isObject, parseExact } from "./exact-json.ts";

const isConfig = (method: string, path: string): boolean => method === "GET" && /^\/v1\/config(?:\?|$)/.test(path);

/**
 * The answer to a writer's request. A catalog may name another address of itself in its configuration, to
 * which the writer would send its commits, past the gate. So the gate leaves that out; it knows the address
 * itself.
 */
export function forWriter<A extends Pick<CatalogAnswer, "status" | "body">>(
  { method, path }: { method: string; path: string },
  answer: A,
): A {
  if (!isConfig(method, path) || answer.status !== 200) return answer;
  const config = parsed(Buffer.from(answer.body).toString("utf8"));
  if (!isObject(config)) return answer;
  const kept = Object.entries(config).map(([name, value]) => [name, NAMED.has(name) ? withoutUri(value) : value]);
  return { ...answer, body: Buffer.from(exactText(Object.fromEntries(kept))) };
}

const NAMED: ReadonlySet<string> = new Set(["overrides", "defaults"]);

const withoutUri = (value: unknown): unknown =>
  isObject(value) ? Object.fromEntries(Object.entries(value).filter(([name]) => name !== "uri")) : value;

function parsed(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    return undefined;
  }
}
