import { InvalidArgumentError, type Command } from "commander";
import { hashOf, newSecret, scopes, type AccessScope } from "../lib/process/api-keys.ts";
import { EXIT } from "./output.ts";
import { action, durationMs } from "./session.ts";

interface NewKey {
  id: string;
  /** The secret. Printed once, kept nowhere. */
  key: string;
  /** What goes into TRIBUTARY_API_KEYS_FILE. */
  line: string;
}

/** `tributary keys new`: makes a key without asking the gateway, which needs the key's hash alone. */
export function addKeys(program: Command): void {
  program
    .command("keys")
    .description("the gateway's API keys")
    .command("new")
    .description("make a key: its secret, shown once, and the line for TRIBUTARY_API_KEYS_FILE")
    .requiredOption("--id <id>", "who will use it; it stands in logs", idOf)
    .requiredOption("--scopes <list>", `what it may do: ${scopes.join(", ")}`, scopesOf)
    .option("--expires <time>", "good for so long, e.g. 90d (default: until it is taken out of the file)", durationMs)
    .addHelpText(
      "after",
      `
Examples:
  tributary keys new --id loader --scopes upload,read
  tributary keys new --id loader --scopes upload,read --expires 90d

To exchange a key, put the new line beside the old one, hand out the new key, and take the old line out when nobody uses it
any more. The gateway reads the file by itself.`,
    )
    .action(
      action(async ({ print }, flags: { id: string; scopes: AccessScope[]; expires?: number }) => {
        print(newKey(flags.id, flags.scopes, flags.expires), ({ key, line }) =>
          ["key (shown once):", `  ${key}`, "", "line for TRIBUTARY_API_KEYS_FILE:", line].join("\n"),
        );
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
    throw new InvalidArgumentError("Begin with a letter; then letters, digits, '.', '_' and '-', at most 100.");
  }
  return text;
}

function scopesOf(text: string): AccessScope[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.filter((name) => !(scopes as readonly string[]).includes(name));
  if (unknown.length > 0)
    throw new InvalidArgumentError(`Unknown: ${unknown.join(", ")}. There are ${scopes.join(", ")}.`);
  return [...new Set(names)] as AccessScope[];
}
