import { TributaryError } from "../../errors.ts";
import type { TrinoTarget } from "./client/client.ts";

/**
 * Returns the server and schema that a URL names. A URL must not contain a password. It throws
 * CONFIG_INVALID, and the error never repeats a password.
 */
export function targetOf(url: string, password?: string): TrinoTarget {
  const form = "trino://user@host:port/catalog/schema";
  const secure = url.startsWith("trino+https:");
  let parsed: URL;
  try {
    parsed = new URL(url.replace(/^trino(\+https)?:/, "http:"));
  } catch {
    throw new TributaryError("CONFIG_INVALID", `the warehouse's URL is none: use ${form}`);
  }
  if (parsed.password !== "") {
    throw new TributaryError("CONFIG_INVALID", "a URL must not contain a password: set TRIBUTARY_TRINO_PASSWORD");
  }
  const [catalog = "", schema = "lakehouse"] = parsed.pathname.split("/").filter(Boolean).map(decodeURIComponent);
  if (catalog === "") throw new TributaryError("CONFIG_INVALID", `'${url}' names no catalog: use ${form}`);
  if (password !== undefined && !secure) {
    throw new TributaryError("CONFIG_INVALID", "a password is sent by https only: use trino+https://…");
  }
  return {
    server: `${secure ? "https" : "http"}://${parsed.hostname}:${parsed.port || (secure ? "443" : "8080")}`,
    user: decodeURIComponent(parsed.username) || "tributary",
    ...(password === undefined ? {} : { password }),
    catalog,
    schema,
  };
}
