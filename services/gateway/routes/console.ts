import { readFileSync } from "node:fs";
import type { App } from "../server.ts";

const PAGES = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/console/console.css": ["console.css", "text/css; charset=utf-8"],
  "/console/console.js": ["console.js", "text/javascript; charset=utf-8"],
  "/console/api.js": ["api.js", "text/javascript; charset=utf-8"],
  "/console/dom.js": ["dom.js", "text/javascript; charset=utf-8"],
} as const;

/** Nothing from elsewhere, nothing inline: what a file's content may hold can never run. */
const SECURITY_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
} as const;

/** The console: a page of plain files, no build step. It talks to the same HTTP interface as everybody, with the same keys. */
export function addConsoleRoutes(app: App): void {
  for (const [path, [file, type]] of Object.entries(PAGES)) {
    const content = readFileSync(new URL(`../console/${file}`, import.meta.url));
    app.get(path, { schema: { hide: true } }, (_request, reply) =>
      reply.headers(SECURITY_HEADERS).type(type).send(content),
    );
  }
}
