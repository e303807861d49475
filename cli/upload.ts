import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { Transform, type Readable } from "node:stream";
import type { SingleBar } from "cli-progress";
import { Refused, Unreachable, type Client } from "./client.ts";
import { systemClock } from "../lib/clock.ts";
import { ERRORS } from "../lib/errors.ts";
import { retry, type RetryOptions } from "../lib/retry.ts";
import type { Progress } from "../lib/messages/progress.ts";
import { countText, EXIT, lineText, remedyFor, sizeText, UsageError } from "./output.ts";
import type { WaitsFor } from "./progress.ts";
import type { Session } from "./session.ts";

/** A file's status, with the fields that the CLI uses; other fields are passed through. */
export interface FileAnswer {
  fileId: string;
  table: string;
  sourceFile: string;
  status: string;
  sizeBytes: number;
  rowsRead: number | null;
  rowsCommitted: number | null;
  rowsRejected: number | null;
  /** Rules that loaded rows break. Older gateways have none. */
  warnings?: { rule: string; rows: number; line: number; message: string }[];
  receivedAt: string | null;
  /** Version of the rows; absent in answers of earlier versions. */
  sourceOffset?: number | null;
  durations: { totalMs: number | null };
  error: { code: string; message: string; remedy: string } | null;
  /** Why it is held; absent in answers of earlier versions. */
  heldReasons?: { reason: string; evidence: string }[] | null;
  /** What it asks of the table; absent in answers of earlier versions, as `progress` is. */
  operation?: "undo" | "drop" | "rebuild" | null;
  progress?: Progress | null;
  waitsFor?: WaitsFor | null;
  /** The content was there already. */
  repeated?: true;
  /** Why its table takes no rows. */
  blocked?: BlockAnswer | null;
}

export interface BlockAnswer {
  step: string;
  error: { code: string; message: string; remedy: string };
  attempts: number;
  since: string;
  nextTryAt: string;
  files: string[];
}

export interface UploadOptions {
  table: string;
  files: readonly string[];
  /** Name within the table; default: the name of each file. */
  name?: string | undefined;
  /** The dialect, as query parameters of the upload. */
  dialect: Readonly<Record<string, string>>;
  /** Make a new version even of content that is there already. */
  again: boolean;
  /** Repetitions of this command have the same key. Default: a random key. */
  idempotencyKey?: string | undefined;
  /** Show a progress bar on standard error. */
  progress: boolean;
}

/** Longest wait of one status request; the next request continues the wait. */
const WAIT_REQUEST_MS = 60_000;

/** Uploads the files one after the other as streams; `-` is standard input. */
export async function uploadFiles(
  client: Client,
  options: UploadOptions,
  onSent: (file: FileAnswer) => void,
): Promise<FileAnswer[]> {
  const { table, files, name, dialect, again } = options;
  if (name !== undefined && files.length > 1)
    throw new UsageError("--name accepts one file: upload the files one by one");
  if (files.includes("-") && name === undefined) throw new UsageError("standard input needs --name <name>");
  checkNames(files);
  const { refuseForeign } = await import("./files/foreign.ts");
  for (const file of files) await refuseForeign(file);
  const answers: FileAnswer[] = [];
  const parameters = new URLSearchParams({ ...dialect, ...(again ? { again: "true" } : {}) }).toString();
  const idempotencyKey = options.idempotencyKey ?? randomUUID();
  for (const file of files) {
    const target = (name ?? basename(file)).split("/").map(encodeURIComponent).join("/");
    const path = `/v1/tables/${encodeURIComponent(table)}/files/${target}${parameters && `?${parameters}`}`;
    const send = (): Promise<FileAnswer> =>
      sendFile(client, path, file, { idempotencyKey, progress: options.progress });
    const answer = await (file === "-" ? send() : retry(systemClock, RETRIES, send));
    answers.push(answer);
    onSent(answer);
  }
  return answers;
}

/**
 * A file that is sent again with the same key is not loaded twice, whatever became of the first request. The
 * client itself repeats what a busy gateway refuses.
 */
const RETRIES: RetryOptions = {
  attemptsMax: 3,
  backoffMsMin: 1_000,
  backoffMsMax: 4_000,
  retryable: (error) => error instanceof Unreachable && wasConnected(error),
};

/** Whether the connection existed and was lost. */
const wasConnected = ({ cause }: Unreachable): boolean =>
  ["ECONNRESET", "EPIPE"].includes((cause as NodeJS.ErrnoException).code ?? "");

/** Files are known by their base names: two of one name would be two versions of one file. */
function checkNames(files: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const file of files) {
    const before = seen.get(basename(file));
    if (before !== undefined) {
      throw new UsageError(
        `'${before}' and '${file}' have one name, so the second would replace the first: ` +
          "upload them one by one with --name, e.g. --name january/data.csv",
      );
    }
    seen.set(basename(file), file);
  }
}

async function sendFile(
  client: Client,
  path: string,
  file: string,
  { idempotencyKey, progress }: { idempotencyKey: string; progress: boolean },
): Promise<FileAnswer> {
  const { body, sizeBytes } = await openFile(file);
  const bar = progress ? await progressBar(file, sizeBytes) : undefined;
  const opened: Readable[] = [];
  const open = (): Readable => {
    const source = typeof body === "function" ? body() : body;
    opened.push(source);
    bar?.update(0);
    return bar ? source.pipe(counting((bytes) => bar.increment(bytes))) : source;
  };
  try {
    return await client.send<FileAnswer>("PUT", path, {
      body: typeof body === "function" ? open : open(),
      sizeBytes,
      contentType: "application/octet-stream",
      idempotencyKey,
    });
  } finally {
    bar?.stop();
    for (const source of opened) source.destroy();
  }
}

/** The file's final status, or its status at the timeout. */
export async function waitForEnd(client: Client, file: FileAnswer, timeoutMs: number): Promise<FileAnswer> {
  const deadline = performance.now() + timeoutMs;
  for (let current = file; ;) {
    const leftMs = Math.round(deadline - performance.now());
    if (hasEnded(current) || leftMs <= 0) return current;
    const waitMs = Math.min(leftMs, WAIT_REQUEST_MS);
    try {
      current = await client.send<FileAnswer>("GET", `/v1/files/${file.fileId}?wait=committed&timeout=${waitMs}ms`);
    } catch (error) {
      // The gateway rejects a timeout above its limit; then wait for the gateway's default.
      if (!(error instanceof Refused) || error.code !== "BAD_REQUEST") throw error;
      current = await client.send<FileAnswer>("GET", `/v1/files/${file.fileId}?wait=committed`);
    }
  }
}

export const hasEnded = ({ status }: Pick<FileAnswer, "status">): boolean =>
  ["committed", "held", "rejected", "failed"].includes(status);

/**
 * The file as a stream, and its size if known; `-` is standard input. A regular file can be opened again.
 * Throws a UsageError for a folder.
 */
export async function openFile(file: string): Promise<{ body: Readable | (() => Readable); sizeBytes?: number }> {
  if (file === "-") return { body: process.stdin };
  const info = await stat(file);
  if (info.isDirectory()) throw new UsageError(`'${file}' is a folder: pass its files`);
  // The size of a pipe is unknown.
  if (!info.isFile()) return { body: createReadStream(file) };
  return { body: () => createReadStream(file), sizeBytes: info.size };
}

function counting(onBytes: (bytes: number) => void): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onBytes(chunk.length);
      done(null, chunk);
    },
  });
}

async function progressBar(file: string, sizeBytes: number | undefined): Promise<SingleBar> {
  const bar = await barOf(
    `${basename(file)} [{bar}] {percentage}% of ${sizeText(sizeBytes ?? 0)}, {eta_formatted} left`,
  );
  bar.start(Math.max(1, sizeBytes ?? 1), 0);
  return bar;
}

/** A progress bar on standard error that disappears when it is complete. */
export async function barOf(format: string): Promise<SingleBar> {
  const { SingleBar } = await import("cli-progress");
  return new SingleBar({ format, barsize: 24, hideCursor: true, clearOnComplete: true, stream: process.stderr });
}

/** Says why files failed, which have no row, and where rejected rows are listed. */
export function tellProblems({ tell }: Pick<Session, "tell">, files: readonly FileAnswer[]): void {
  for (const { fileId, table, error, sourceFile, status, rowsRejected, warnings = [] } of files) {
    const name = lineText(sourceFile);
    for (const { message } of warnings.filter(({ rows }) => rows === 0)) tell(`${name}: ${lineText(message)}`);
    const which = `${table} --file ${quoted(sourceFile)}`;
    if (error) {
      const remedy = remedyFor(error, { fileId, table, rejects: which });
      tell(`${name}: ${error.code}: ${lineText(error.message)}\n→ ${remedy}`);
    }
    // That remedy names the rejected rows already.
    if (error?.code === "REJECTS_ABOVE_THRESHOLD") continue;
    if (status === "held" || !rowsRejected || !hasEnded({ status })) continue;
    const all = status === "rejected" ? "no row was loaded, " : "";
    tell(
      `${name}: ${all}${countText(rowsRejected, "row")} rejected\n→ tributary rejects ${which} lists them with reasons` +
        (status === "rejected"
          ? `\n→ tributary files preview ${fileId} shows what the contract could say to read them`
          : ""),
    );
  }
}

/** For a POSIX shell. */
const quoted = (name: string): string =>
  /^[\w./-]+$/.test(name) ? name : `'${lineText(name).replaceAll("'", "'\\''")}'`;

/** The exit code for the files' status. Writes a message if some files have not ended. */
export function exitCodeOf({ tell }: Pick<Session, "tell">, files: readonly FileAnswer[]): number {
  if (files.some(({ status }) => status === "failed" || status === "rejected")) return EXIT.no;
  if (files.some(({ status }) => status === "held")) return EXIT.held;
  if (files.every(hasEnded)) return files.some(({ rowsRejected }) => (rowsRejected ?? 0) > 0) ? EXIT.rejects : EXIT.ok;
  tell(`WAIT_TIMEOUT: not all files were committed in time\n→ ${ERRORS.WAIT_TIMEOUT.remedy}`);
  return EXIT.unfinished;
}
