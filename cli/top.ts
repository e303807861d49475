import { InvalidArgumentError, type Command } from "commander";
import { systemClock } from "../lib/clock.ts";
import { Refused, Unreachable, type Client } from "./client.ts";
import { EXIT, tableText } from "./output.ts";
import { action, durationMs } from "./session.ts";
import type { TableAnswer } from "./show.ts";
import type { FileAnswer } from "./upload.ts";

/** Rates are averages over this window. */
const WINDOW_SECONDS = 10;
const FILES_SEEDED = 1_000;
const FILES_KEPT_MAX = 10_000;
const RECONNECT_MS = 1_000;
const EVERY_MS = 1_000;
/** Each refresh asks the gateway for all tables. */
const EVERY_MS_MIN = 100;
const SCREEN = {
  enter: "\x1b[?1049h\x1b[?25l",
  leave: "\x1b[?25h\x1b[?1049l",
  home: "\x1b[H",
  rest: "\x1b[J",
  line: "\x1b[K",
};

type TopFile = FileAnswer & { committedAt: string | null };
type Summary = Pick<TableAnswer, "table" | "lastCommitAt" | "lag">;

/** A table as `top` shows it. */
export interface TopTable {
  table: string;
  /** Rows committed per second, over the last WINDOW_SECONDS. */
  rowsPerSecond: number;
  filesWaiting: number;
  secondsBehind: number;
  lastCommitAt: string | null;
  /** Rejected rows in the newest version of each file, among the files that `top` has seen. */
  rowsRejected: number;
}

export interface Top {
  at: string;
  tables: TopTable[];
}

/** `tributary top`: the current ingestion of each table. */
export function addTop(program: Command): void {
  program
    .command("top")
    .description(
      "show current ingestion per table: rows per second, files waiting, seconds behind, last commit, rejects",
    )
    .option("--once", "print once and exit; the default without a terminal or with --json, unless --every is set")
    .option("--every <duration>", "refresh interval, 100ms or more (default on a terminal: 1s)", interval)
    .addHelpText(
      "after",
      `
On a terminal the table is redrawn in place, the table with the largest lag first. Without a terminal, --every prints
one line per table and interval, or one JSON object per interval with --json. Press Ctrl+C to exit.

Examples:
  tributary top
  tributary top --json
  tributary top --every 10s >> top.log`,
    )
    .action(
      action(async ({ client, json, print }, flags: { once?: true; every?: number }) => {
        const files = new Map<string, TopFile>();
        const { stdout } = process;
        const isContinuous = !flags.once && (flags.every !== undefined || (stdout.isTTY && !json));
        if (!isContinuous) {
          await seed(client, files);
          print(await readTop(client, files), (top) => topText(top, stdout.isTTY ? widthOf(stdout) : Infinity));
          return EXIT.ok;
        }
        await untilInterrupted((signal) => watch(client, files, flags.every ?? EVERY_MS, json, signal));
        return EXIT.ok;
      }),
    );
}

/** For commander. */
function interval(text: string): number {
  const ms = durationMs(text);
  if (ms < EVERY_MS_MIN) throw new InvalidArgumentError(`'${text}' is too short: write ${EVERY_MS_MIN}ms or more`);
  return ms;
}

async function untilInterrupted(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  try {
    await run(interrupted.signal);
  } finally {
    interrupt();
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}

/** Throws if the gateway is unavailable at the start; waits for it if it becomes unavailable later. */
async function watch(
  client: Client,
  files: Map<string, TopFile>,
  everyMs: number,
  json: boolean,
  signal: AbortSignal,
): Promise<void> {
  await seed(client, files);
  const { stdout } = process;
  const redraws = stdout.isTTY && !json;
  const following = follow(client, files, signal);
  let top: Top | undefined;
  const draw = (): boolean => stdout.write(frame(top, client));
  if (redraws) stdout.on("resize", draw).write(SCREEN.enter);
  try {
    for (let wasAvailable = true; !signal.aborted; await systemClock.sleep(everyMs, signal)) {
      top = await readTop(client, files).catch(undefinedIfUnavailable);
      if (signal.aborted) break;
      if (redraws) draw();
      else if (top) stdout.write(json ? `${JSON.stringify(top)}\n` : linesText(top));
      else if (wasAvailable) process.stderr.write("no response from the gateway; retrying\n");
      wasAvailable = top !== undefined;
    }
  } finally {
    if (redraws) stdout.off("resize", draw).write(SCREEN.leave);
  }
  await following;
}

function undefinedIfUnavailable(error: unknown): undefined {
  const isUnavailable = error instanceof Unreachable || (error instanceof Refused && error.status >= 500);
  if (!isUnavailable) throw error;
}

/**
 * Reads the newest files, which the event stream does not repeat. Keeps entries that an event has already
 * updated.
 */
async function seed(client: Client, files: Map<string, TopFile>): Promise<void> {
  const { files: newest } = await client.send<{ files: TopFile[] }>("GET", `/v1/files?limit=${FILES_SEEDED}`);
  for (const file of newest.reverse()) if (!files.get(file.fileId)?.committedAt) files.set(file.fileId, file);
}

/** Updates `files` from the event stream until `signal`. After a reconnect it reads the missed files. */
async function follow(client: Client, files: Map<string, TopFile>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const catchUp = (): void => void seed(client, files).catch(() => undefined);
      for await (const file of client.events<TopFile>("/v1/events", signal, catchUp)) {
        files.delete(file.fileId);
        files.set(file.fileId, file);
        if (files.size > FILES_KEPT_MAX) files.delete(files.keys().next().value!);
      }
    } catch {
      // `watch` reports the same failure when it reads the tables.
    }
    await systemClock.sleep(RECONNECT_MS, signal);
  }
}

async function readTop(client: Client, files: ReadonlyMap<string, TopFile>): Promise<Top> {
  const { tables } = await client.send<{ tables: Summary[] }>("GET", "/v1/tables");
  return topOf(tables, [...files.values()], systemClock.nowMs());
}

/** Combines the tables' summaries and the files. Sorts by lag, then by rows per second, both descending. */
export function topOf(tables: readonly Summary[], files: readonly TopFile[], nowMs: number): Top {
  const since = nowMs - WINDOW_SECONDS * 1_000;
  const committed = new Map<string, number>();
  const newest = new Map<string, TopFile>();
  for (const file of files) {
    if (file.committedAt !== null && Date.parse(file.committedAt) > since)
      committed.set(file.table, (committed.get(file.table) ?? 0) + (file.rowsCommitted ?? 0));
    const name = JSON.stringify([file.table, file.sourceFile]);
    const before = newest.get(name);
    if (file.rowsRejected !== null && (!before || before.fileId < file.fileId)) newest.set(name, file);
  }
  const rejected = new Map<string, number>();
  for (const { table, rowsRejected } of newest.values())
    rejected.set(table, (rejected.get(table) ?? 0) + (rowsRejected ?? 0));
  const shown = tables.map(({ table, lag, lastCommitAt }) => ({
    table,
    rowsPerSecond: Math.round(((committed.get(table) ?? 0) / WINDOW_SECONDS) * 10) / 10,
    filesWaiting: lag.files,
    secondsBehind: Math.round(lag.oldestSeconds * 10) / 10,
    lastCommitAt,
    rowsRejected: rejected.get(table) ?? 0,
  }));
  const order = (a: TopTable, b: TopTable): number =>
    b.secondsBehind - a.secondsBehind || b.rowsPerSecond - a.rowsPerSecond || (a.table < b.table ? -1 : 1);
  return { at: new Date(nowMs).toISOString(), tables: shown.sort(order) };
}

interface Column {
  head: string;
  of: (table: TopTable, atMs: number) => string | number | null;
}

/** From left to right; on a narrow terminal the last ones are omitted. */
const COLUMNS: readonly Column[] = [
  { head: "table", of: ({ table }) => table },
  { head: "rows/s", of: ({ rowsPerSecond }) => rowsPerSecond },
  { head: "seconds behind", of: ({ secondsBehind }) => secondsBehind },
  { head: "files waiting", of: ({ filesWaiting }) => filesWaiting },
  { head: "last commit", of: ({ lastCommitAt }, atMs) => agoText(lastCommitAt, atMs) },
  { head: "rejected", of: ({ rowsRejected }) => rowsRejected },
];
const TABLE_CHARS_MIN = 8;

/**
 * The table in lines of at most `width` characters. Cuts long names first, then omits columns from the right.
 */
export function topText({ at, tables }: Top, width: number): string {
  if (tables.length === 0) return "no tables";
  const textOf = (columns: readonly Column[], nameMax: number): string =>
    tableText(
      columns.map(({ head }) => head),
      tables.map((one) => {
        const table = one.table.length > nameMax ? `${one.table.slice(0, nameMax - 1)}…` : one.table;
        return columns.map(({ of }) => of({ ...one, table }, Date.parse(at)));
      }),
    );
  const widthOfText = (text: string): number => Math.max(...text.split("\n").map((line) => line.length));
  for (let columns = COLUMNS.length; ; columns--) {
    const shown = COLUMNS.slice(0, columns);
    const text = textOf(shown, Infinity);
    const over = widthOfText(text) - width;
    if (over <= 0) return text;
    const longest = Math.max(...tables.map(({ table }) => table.length));
    const nameMax = Math.max(TABLE_CHARS_MIN, longest - over);
    const cut = textOf(shown, nameMax);
    if (widthOfText(cut) <= width || columns === 1) return cut;
  }
}

function agoText(iso: string | null, nowMs: number): string | null {
  if (iso === null) return null;
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(iso)) / 1_000));
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min ago` : iso;
}

/** One line per table, with the time, for logs. */
const linesText = ({ at, tables }: Top): string =>
  tables
    .map(
      (one) =>
        `${at} ${one.table} rows_per_second=${one.rowsPerSecond} files_waiting=${one.filesWaiting} ` +
        `seconds_behind=${one.secondsBehind} last_commit=${one.lastCommitAt ?? "-"} ` +
        `rows_rejected=${one.rowsRejected}\n`,
    )
    .join("");

// Some pseudo-terminals report 0 columns.
const widthOf = ({ columns }: NodeJS.WriteStream): number => columns || 80;

/** The whole screen, drawn over the previous frame to avoid flicker. */
function frame(top: Top | undefined, { url }: Client): string {
  const rows = process.stdout.rows || 24;
  const columns = widthOf(process.stdout);
  const text = top ? topText(top, columns) : "no response from the gateway; retrying";
  const lines = [`${top?.at.slice(11, 19) ?? "--:--:--"} UTC · Ctrl+C to exit · ${url}`, "", ...text.split("\n")];
  const shown = lines.length >= rows ? [...lines.slice(0, rows - 2), `… ${lines.length - rows + 2} more`] : lines;
  return SCREEN.home + shown.map((line) => `${line.slice(0, columns)}${SCREEN.line}`).join("\n") + SCREEN.rest;
}
