import { InvalidArgumentError, type Command } from "commander";
import { appendFileSync } from "node:fs";
import { hashOf, newSecret, scopes, type AccessScope } from "../lib/process/api-keys.ts";
import { EXIT } from "./output.ts";
import { action, durationMs } from "./session.ts";

interface NewKey {
  id: string;
  /** The secret. Printed once and not stored. */
  key: string;
  /** The entry for TRIBUTARY_API_KEYS_FILE. */
  line: string;
}

interface Flags {
  id: string;
  scopes: AccessScope[];
  expires?: number;
  addTo?: string;
}

/** `tributary keys new`: creates a key offline; the gateway only needs its hash. */
export function addKeys(program: Command): void {
  program
    .command("keys")
    .description("manage the gateway's API keys")
    .command("new")
    .description("create a key: the secret, shown once, and the line for TRIBUTARY_API_KEYS_FILE")
    .requiredOption("--id <id>", "name of the key's user; appears in logs", idOf)
    .requiredOption("--scopes <list>", `comma-separated scopes: ${scopes.join(", ")}`, scopesOf)
    .option("--add-to <file>", "add the line to this keys file; a new file is readable by its owner only")
    .option("--expires <duration>", "lifetime, e.g. 90d (default: until the line is removed)", durationMs)
    .addHelpText(
      "after",
      `
Examples:
  tributary keys new --id loader --scopes upload,read
  tributary keys new --id loader --scopes upload,read --expires 90d
  tributary keys new --id admin --scopes admin --add-to api-keys.yml

To rotate a key, add the new line next to the old one, distribute the new key, and remove the old line when it is no
longer in use. The gateway reloads the file automatically.`,
    )
    .action(
      action(async ({ print }, { id, scopes: given, expires, addTo }: Flags) => {
        const made = newKey(id, given, expires);
        if (addTo !== undefined) appendFileSync(addTo, `${made.line}\n`, { mode: 0o600 });
        const where = addTo === undefined ? ["line for TRIBUTARY_API_KEYS_FILE:", made.line] : [`added to ${addTo}`];
        print(made, ({ key }) => ["key (shown once):", `  ${key}`, "", ...where].join("\n"));
        return EXIT.ok;
      }),
    );
}

function newKey(id: string, given: readonly AccessScope[], expiresMs: number | undefined): NewKey {
  const key = newSecret();
  const expiresAt = expiresMs === undefined ? "" : `, expiresAt: ${new Date(Date.now() + expiresMs).toISOString()}`;
  const line = `- { id: ${id}, sha256: ${hashOf(key).toString("hex")}, scopes: [${given.join(", ")}]${expiresAt} }`;
  return { id, key, line };
}

function idOf(text: string): string {
  if (!/^[a-z][a-z0-9._-]{0,99}$/i.test(text)) {
    throw new InvalidArgumentError("Use a letter first, then letters, digits, '.', '_' and '-', at most 100 in all.");
  }
  return text;
}

function scopesOf(text: string): AccessScope[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.filter((name) => !(scopes as readonly string[]).includes(name));
  if (unknown.length > 0)
    throw new InvalidArgumentError(`Unknown scopes: ${unknown.join(", ")}. Valid scopes: ${scopes.join(", ")}.`);
  return [...new Set(names)] as AccessScope[];
}
