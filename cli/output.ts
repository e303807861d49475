import { open, stat, type FileHandle } from "node:fs/promises";
import stringWidth from "string-width";
import { TributaryError } from "../lib/errors.ts";
import type { Command } from "commander";
import { Refused, Unreachable } from "./client.ts";
import { withFlags } from "./requests/flag-names.ts";

/** Exit codes; stable for scripts. */
export const EXIT = { ok: 0, no: 1, usage: 2, unavailable: 3, unfinished: 4, rejects: 5, held: 6 } as const;

/** Wrong arguments; the message, or the remedy, says what is accepted. */
export class UsageError extends Error {
  readonly remedy: string;

  constructor(message: string, remedy = "") {
    super(message);
    this.remedy = remedy;
  }
}

const PRINTABLE_ASCII = /^[ -~]*$/;
const widthOf = (text: string): number => (PRINTABLE_ASCII.test(text) ? text.length : stringWidth(text));
const GAP = "  ";

/**
 * A text table, in time linear in its cells (cli-table3 takes half a minute for 10,000 rows). Numeric columns
 * are aligned to the right.
 */
export function tableText(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const isNumeric = head.map((_, column) => rows.length > 0 && rows.every((row) => typeof row[column] === "number"));
  const lines = [head.map(lineText), ...rows.map((row) => row.map(cellText))];
  const widths = head.map(() => 0);
  for (const line of lines) {
    for (const [column, text] of line.entries()) widths[column] = Math.max(widths[column] ?? 0, widthOf(text));
  }
  const padded = (text: string, column: number): string => {
    const padding = " ".repeat(widths[column]! - widthOf(text));
    return isNumeric[column] ? padding + text : text + padding;
  };
  return lines.map((line) => line.map(padded).join(GAP).trimEnd()).join("\n");
}

/** Names and values, one per line; absent values are omitted. */
export function listText(entries: readonly (readonly [string, unknown])[]): string {
  const shown = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${cellText(value)}`).join("\n");
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return lineText(typeof value === "string" ? value : JSON.stringify(value));
}

/** Text as one line without control and bidi characters, so that a file cannot control the terminal. */
export function lineText(text: string): string {
  return text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, (character) =>
    character === "\n" ? "⏎" : character === "\t" ? "⇥" : "·",
  );
}

/** 1234567 → 1.2 MB. */
export function sizeText(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]!}`;
}

/** "1 row", "2 rows". `plural` is needed where it is not the noun with an s. */
export const countText = (count: number, noun: string, plural = `${noun}s`): string =>
  `${count} ${count === 1 ? noun : plural}`;

/** The message for standard error, in the words of the command, and the exit code. */
export function explain(error: unknown, json: boolean, command?: Command): { text: string; exitCode: number } {
  const { problem, exitCode } = describe(error, command);
  if (json) return { text: JSON.stringify(problem), exitCode };
  const { code, detail, remedy } = problem;
  return { text: `${code}: ${detail}${remedy ? `\n→ ${remedy}` : ""}`, exitCode };
}

interface ErrorDescription {
  problem: { code: string; detail: string; remedy: string };
  exitCode: number;
}

/** What to do about a refused request, where the command line has other words for it. */
function remedyOf({ code, message, remedy }: Refused, detail: string, command: Command | undefined): string {
  if (code === "UNAUTHENTICATED") return "Pass a key or token with --api-key, or set TRIBUTARY_API_KEY.";
  if (code === "OVERLOADED" || code === "RATE_LIMITED") return "Run the command again later.";
  if (code !== "BAD_REQUEST" || !command || detail === message) return remedy;
  return `Correct the option or argument named in the message; \`${pathOf(command)} --help\` describes all.`;
}

/** "tributary files accept" */
const pathOf = (command: Command): string =>
  command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();

function describe(error: unknown, command: Command | undefined): ErrorDescription {
  if (error instanceof Refused) {
    const detail = command ? withFlags(error.message, command) : error.message;
    const problem = { ...error.problem, code: error.code, detail, remedy: remedyOf(error, detail, command) };
    return { problem, exitCode: error.status >= 500 || error.status === 429 ? EXIT.unavailable : EXIT.no };
  }
  if (error instanceof Unreachable) {
    const remedy = "Start a gateway with `tributary serve`, or set its address with --url or TRIBUTARY_URL.";
    return { problem: { code: "UNREACHABLE", detail: error.message, remedy }, exitCode: EXIT.unavailable };
  }
  if (error instanceof TributaryError) {
    const { code, message: detail, remedy } = error;
    const isWrong = code === "CONFIG_INVALID";
    const exitCode = isWrong ? EXIT.usage : error.code.endsWith("_UNAVAILABLE") ? EXIT.unavailable : EXIT.no;
    return { problem: { code, detail, remedy }, exitCode };
  }
  const detail = error instanceof Error ? error.message : String(error);
  const { code = "", path } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" && path !== undefined) {
    const remedy = `Check the path; a relative one begins at ${process.cwd()}.`;
    return { problem: { code: "USAGE", detail: `there is no file or folder '${path}'`, remedy }, exitCode: EXIT.usage };
  }
  const isUsage = error instanceof UsageError || ["ENOENT", "EISDIR", "EACCES", "ERR_INVALID_URL"].includes(code);
  return {
    problem: {
      code: isUsage ? "USAGE" : "FAILED",
      detail,
      remedy: error instanceof UsageError ? error.remedy : "",
    },
    exitCode: isUsage ? EXIT.usage : EXIT.no,
  };
}

/** The options of commands that write a file. */
export interface OutFlags {
  out?: string;
  force?: true;
}

export const FORCE = ["--force", "overwrite the output file if it exists"] as const;

/**
 * Opens a command's output file. An existing one may hold a user's work: it stays, unless `force` is set.
 * Devices and pipes are opened as they are.
 * @throws UsageError if the file exists
 */
export async function openOutput(path: string, force = false): Promise<FileHandle> {
  try {
    return await open(path, force ? "w" : "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const found = await stat(path).catch(() => undefined);
    if (found && !found.isFile() && !found.isDirectory()) return open(path, "w");
    throw new UsageError(
      `the output file ${path} exists; nothing was written`,
      "Pass another file with --out, or --force to overwrite this one.",
    );
  }
}

/**
 * The remedy with the names of this file in its commands. `rejects`: the arguments of `tributary rejects`.
 */
export const remedyFor = (
  { remedy }: { remedy: string },
  { fileId, table, rejects = table }: { fileId: string; table: string; rejects?: string },
): string =>
  remedy
    .replaceAll("<file_id>", fileId)
    .replaceAll("tributary rejects <table>", `tributary rejects ${rejects}`)
    .replace(/(`tributary [a-z ]+ )<table>/g, (_, command: string) => command + table);
