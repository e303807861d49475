import { readdirSync, readFileSync } from "node:fs";
import { extname } from "node:path";
import type { App } from "../http/deps.ts";

const FOLDER = new URL("./static/", import.meta.url);
const TYPES = new Map(
  Object.entries({
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
  }),
);

/** Nothing from elsewhere, nothing inline: what a file's content may hold can never run. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'none'; " +
    "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  // Small files, from this machine or nearby: always as new as the gateway.
  "cache-control": "no-cache",
} as const;

/**
 * The console: a page of plain files, no build step. It talks to the same HTTP interface as everybody, with
 * the same keys.
 */
export function addConsoleRoutes(app: App): void {
  for (const name of readdirSync(FOLDER, { recursive: true, encoding: "utf8" })) {
    const file = name.replaceAll("\\", "/");
    const type = TYPES.get(extname(file));
    if (!type) continue;
    const content = readFileSync(new URL(file, FOLDER));
    const path = file === "index.html" ? "/" : `/console/${file}`;
    app.get(path, { schema: { hide: true } }, (_request, reply) => reply.headers(HEADERS).type(type).send(content));
  }
}
