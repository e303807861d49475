import { createHash, randomUUID } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import type { Contracts } from "../../lib/contract/contract.ts";
import { requestIn } from "../../lib/formats/message-fields.ts";
import { loadText } from "../../lib/parsing/output/load-planner.ts";
import { doubtsIn, readingOf, type Reading } from "../../lib/formats/reading.ts";
import type { ParseJob, ParseOutput, ParseSummary } from "../../lib/parsing/parse-file.ts";
import { codeOf, hasCode, isRetryable, messageOf, type ErrorCode } from "../../lib/errors.ts";
import type { EventLog, LogRecord, NewRecord } from "../../lib/event-log/event-log.ts";
import type { EndOfFile, FileEvent, LoadPlan } from "../../lib/messages/generated.ts";
import { cancelMessage } from "../../lib/messages/cancel.ts";
import { removesTable } from "../../lib/messages/operation.ts";
import { versionOf } from "../../lib/messages/repetition.ts";
import { rowsTopic } from "../../lib/messages/topics.ts";
import { retry } from "../../lib/retry.ts";
import type { Logger } from "../../lib/process/logger.ts";
import type { Tracer } from "../../lib/process/tracing.ts";
import { bodyOf, endOfFile, publishRows, rowRecord, type ArrivedFile, type RowContent } from "./row-records.ts";
import { openReading, type ReadAhead, type ReadingDeps } from "./ahead.ts";
import { publishParseEvent, type ParseStatus } from "./announce.ts";
import type { Cancels } from "./cancels.ts";
import type { ParserSettings } from "./config.ts";
import { countFile } from "./count.ts";
import type { ParserMetrics } from "./metrics.ts";
import type { TableSchema } from "../../lib/table-schemas/table-schemas.ts";
import type { ExpectedColumns } from "./expected-columns.ts";
import { judge, refusalMessage, type Judged } from "./judge.ts";
import { WorkerCrash } from "../../lib/parsing/workers/worker-pool.ts";

export interface FileRunDeps extends ReadingDeps {
  log: EventLog;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  metrics: ParserMetrics;
  tracer: Tracer;
  /** Of the partition that the file comes from. */
  columns: ExpectedColumns;
  /** Of the same partition. */
  ahead: ReadAhead;
  cancels: Pick<Cancels, "of" | "during">;
  /** Tables whose rows topic exists. */
  rowsTopics: Set<string>;
  settings: ParserSettings;
}

/** How parsing a file ended, and the run's id. */
interface Outcome extends Judged {
  runId: string;
  /** How it was read; undefined: it failed before that was known. */
  reading?: Reading | undefined;
  /** The run's last row message, which goes out with the file's end; undefined: there is none. */
  unsent?: NewRecord | undefined;
}

/** A file whose end is in the log. */
export interface ParsedFile {
  summary: ParseSummary;
  /** Settles once the parse status is published too. The file must not be acked before. */
  announced: Promise<void>;
}

/**
 * Processes one file event: publishes the file's rows, rejects and end-of-file, and the parse status. Faults
 * of the file are published, not thrown. Undefined if the signal aborted first. A short file waits for the
 * log once: its rows and its end are one call, and its status is published meanwhile.
 * @throws the error of a port after the retries; nothing has to be undone, because the next attempt is a new
 * run
 */
export async function parseArrived(
  deps: FileRunDeps,
  file: ArrivedFile,
  signal: AbortSignal,
): Promise<ParsedFile | undefined> {
  const { clock } = deps;
  const startedMs = clock.monotonicMs();
  await ensureRowsTopic(deps, file.event.table);
  if (file.event.kind === "deleted") return publishDeleted(deps, file);
  if (file.event.decision?.verdict === "refuse") return publishRefused(deps, file);
  const status = publishParseEvent(deps, file);
  // The end says more: if this is not published, nothing is missing.
  const started = status.started().catch(() => undefined);
  const endAs = async ({ runId, summary, held, reading, unsent }: Outcome): Promise<ParsedFile> => {
    const parseMs = Math.round(clock.monotonicMs() - startedMs);
    if (needsDeadLetter(summary, held)) await status.deadLetter(summary.error!);
    const body = endOfFile(deps, file, summary, parseMs);
    await publishRows(deps, file, [unsent, rowRecord(file, { runId, held, reading }, body)]);
    deps.columns.add(file.event.table, file.sourceOffset, body["tributary.EndOfFile"]);
    const announced = started.then(() => status.ended(summary, { held, reading }));
    logDoubts(deps, file, reading);
    countFile(deps.metrics, summary, parseMs, held !== undefined);
    return { summary, announced };
  };
  const end = async (outcome: Outcome): Promise<ParsedFile> => {
    try {
      return await endAs(outcome);
    } catch (thrown) {
      // Very many columns may exceed one message: fail the file, so that it does not block the partition.
      if (!hasCode(thrown, "LOG_RECORD_TOO_LARGE")) throw thrown;
      return endAs(failed("FILE_TOO_MANY_COLUMNS", thrown.message));
    }
  };
  return parseUnlessCancelled(deps, { ...file, status }, signal, end);
}

/** A held file is decided first, and a cancelled one is not wanted. */
const needsDeadLetter = ({ outcome, error }: ParseSummary, held: Outcome["held"]): boolean =>
  outcome === "failed" && !held && error?.code !== "FILE_CANCELLED";

/**
 * Parses the file and publishes its end, with retries, until it is cancelled. Undefined if the signal
 * aborted.
 */
async function parseUnlessCancelled(
  deps: FileRunDeps,
  file: BegunFile,
  signal: AbortSignal,
  end: (outcome: Outcome) => Promise<ParsedFile>,
): Promise<ParsedFile | undefined> {
  const { clock, settings, cancels, columns } = deps;
  const { fileId, table } = file.event;
  const known = await columns.at(table, file.sourceOffset);
  const parsing = (either: AbortSignal): Promise<ParsedFile | undefined> => {
    const onRetry = (err: unknown): void => {
      deps.metrics.throughput.error(codeOf(err));
      deps.logger.warn({ err }, "parsing failed, retrying");
      file.status.waits(err);
    };
    return retry(clock, { ...settings, signal: either, onRetry }, async (attempt) => {
      if (attempt > 1) await file.status.started();
      const outcome = await parseWhole(deps, file, known, either);
      return outcome && !signal.aborted ? end(outcome) : undefined;
    });
  };
  return cancels.during(fileId, async (cancelled) => {
    try {
      const parsed = cancelled.aborted ? undefined : await parsing(AbortSignal.any([signal, cancelled]));
      if (parsed || signal.aborted || !cancelled.aborted) return parsed;
    } catch (thrown) {
      if (!cancelled.aborted) throw thrown;
    }
    return end(failed("FILE_CANCELLED", cancelMessage(cancels.of(fileId)!)));
  });
}

function logDoubts({ logger }: FileRunDeps, { event }: ArrivedFile, reading: Reading | undefined): void {
  const doubts = doubtsIn(reading);
  if (doubts.length === 0) return;
  const { fileId, table, sourceFile } = event;
  logger.warn({ fileId, table, sourceFile, doubts }, "file read in spite of doubts");
}

async function ensureRowsTopic({ log, rowsTopics }: FileRunDeps, table: string): Promise<void> {
  if (rowsTopics.has(table)) return;
  await log.createTopics([rowsTopic(table)]);
  rowsTopics.add(table);
}

interface BegunFile extends ArrivedFile {
  status: ParseStatus;
}

/** What a first reading found for the second one. */
type Found = Pick<ParseJob, "inferred" | "fields"> & { irregular?: string };

/** One attempt: reads the file once, or twice if a type did not hold. Undefined if the signal aborted. */
async function parseWhole(
  deps: FileRunDeps,
  file: BegunFile,
  known: TableSchema | undefined,
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  let found: Found = {};
  for (let crashes = 0; ;) {
    const runId = randomUUID();
    try {
      const { last, unsent } = await parseOnce(deps, file, jobOf(deps, file, known, found), runId, signal);
      if (last?.kind === "end") {
        const { event } = file;
        const contract = deps.contracts.of(event.table);
        const judged = judge(last.summary, event, contract, known);
        const reading = readingOf(judged.summary, contract);
        const load = loadText(found.irregular ?? last.summary.planObstacle);
        return { runId, ...judged, reading: reading && { ...reading, load }, unsent };
      }
      if (last?.kind === "irregular") {
        found = { ...found, irregular: last.because };
        continue;
      }
      if (last?.kind !== "retype") return undefined;
      found = { ...found, inferred: last.types, ...(last.fields ? { fields: last.fields } : {}) };
      deps.metrics.retypings.inc();
    } catch (thrown) {
      if (signal.aborted) return undefined;
      if (isRetryable(thrown)) throw thrown;
      if (hasCode(thrown, "CONTRACT_INVALID")) return failed("CONTRACT_INVALID", thrown.message);
      if (hasCode(thrown, "BLOB_NOT_FOUND")) {
        return failed("BLOB_MISSING", `'${file.event.blobKey}' is not in the blob store`);
      }
      deps.logger.error({ err: thrown, fileId: file.event.fileId }, "unexpected error while parsing");
      // An unexpected error must not block the files after this one.
      if (!(thrown instanceof WorkerCrash)) return failed("FILE_POISON", messageOf(thrown));
      if (++crashes >= deps.settings.crashesMax) {
        return failed("FILE_POISON", `the parser crashed ${crashes} times on this file: ${thrown.message}`);
      }
    }
  }
}

/**
 * Reads the file and publishes its rows and rejects, all but the last message. Returns that message, and the
 * last output; undefined if the signal aborted.
 */
async function parseOnce(
  deps: FileRunDeps,
  file: BegunFile,
  job: ParseJob,
  runId: string,
  signal: AbortSignal,
): Promise<{ last?: ParseOutput; unsent?: NewRecord | undefined }> {
  const { contentHash, blobKey, table } = file.event;
  const ahead = deps.ahead.take(table, file.sourceOffset, job);
  const reading = ahead ?? (await openReading(deps, file.event, job, signal));
  let [rows, sent] = [0, 0];
  let unsent: NewRecord | undefined;
  const send = async (...[more, body]: RowContent): Promise<void> => {
    const held = unsent;
    unsent = rowRecord(file, { runId, ...more }, body);
    if (held) await publishRows(deps, file, [held]);
  };
  try {
    for await (const output of reading.outputs) {
      if (signal.aborted) return {};
      if (output.kind === "end" && (reading.sha256() ?? contentHash) !== contentHash) {
        const { summary } = failed("BLOB_DAMAGED", `'${blobKey}' holds other bytes than those that arrived`);
        return { last: { kind: "end", summary }, unsent };
      }
      if (output.kind === "progress") {
        rows = Math.max(rows, output.rows);
        file.status.progress({ rows, bytes: reading.bytesRead() });
        continue;
      }
      if (output.kind !== "rows" && output.kind !== "rejects" && output.kind !== "plan")
        return { last: output, unsent };
      if (output.kind === "plan") {
        const loadPlan = { ...output.plan, blobKey, contentHash, ...originOf(file) };
        await send({ loadPlan }, { "tributary.RejectBatch": { rejects: [] } });
        continue;
      }
      const rejectText = (output.kind === "rejects" && output.text) || null;
      await send({ rejectText }, bodyOf(output));
      sent += output.kind === "rows" ? output.batch.rowCount : output.rejects.length;
      rows = Math.max(rows, sent);
      file.status.progress({ rows, bytes: reading.bytesRead() });
    }
    return {};
  } finally {
    reading.close();
  }
}

/** What a file is parsed with at first. @throws CONTRACT_INVALID */
export function jobOf(
  { contracts, settings, log }: Pick<FileRunDeps, "contracts" | "settings" | "log">,
  { event, sourceOffset }: Pick<ArrivedFile, "event" | "sourceOffset">,
  known: TableSchema | undefined,
  { irregular, ...found }: Found = {},
): ParseJob {
  const { sourceFile, sizeBytes, receivedAtMs } = event;
  return {
    fileName: sourceFile,
    contract: contracts.of(event.table),
    requested: requestIn(event),
    known: known?.columns ?? [],
    ...(known?.pinned ? { pinned: known.pinned } : {}),
    ...found,
    origin: { sourceFile, sourceOffset: versionOf({ offset: sourceOffset, event }), receivedAtMs },
    storedBytes: sizeBytes,
    plans: irregular === undefined,
    limits: { ...settings.limits, messageBytesMax: log.recordBytesMax },
  };
}

/** The audit values of a plan's rows. */
const originOf = ({ event, sourceOffset }: ArrivedFile): Pick<LoadPlan, "rowsOffset" | "receivedAtMs"> => ({
  rowsOffset: versionOf({ offset: sourceOffset, event }),
  receivedAtMs: event.receivedAtMs,
});

const NOTHING_READ = { columns: [], rowsRead: 0, rowsAccepted: 0, rowsRejected: 0, rejectsByReason: {}, textBytes: 0 };

const failed = (code: ErrorCode, message: string): Outcome => ({
  runId: randomUUID(),
  summary: { ...NOTHING_READ, outcome: "failed", error: { code, message } },
});

/** Publishes the deletion of a file; the committer applies the contract's `onDelete`. */
async function publishDeleted(deps: FileRunDeps, file: ArrivedFile): Promise<ParsedFile> {
  const { event, sourceOffset } = file;
  const known = await deps.columns.at(event.table, sourceOffset);
  const summary: ParseSummary = { ...NOTHING_READ, outcome: "complete", columns: known?.columns ?? [] };
  const { "tributary.EndOfFile": end } = endOfFile(deps, file, summary, 0);
  const body = { "tributary.EndOfFile": { ...end, outcome: "deleted" } as EndOfFile };
  await publishRows(deps, file, [rowRecord(file, { runId: randomUUID() }, body)]);
  if (removesTable(event)) deps.columns.dropped(event.table, sourceOffset);
  deps.metrics.files.inc({ outcome: "deleted" });
  deps.metrics.throughput.sent("file");
  return { summary, announced: publishParseEvent(deps, file).ended(summary) };
}

/** Publishes the end of a held file that somebody refused. */
async function publishRefused(deps: FileRunDeps, file: ArrivedFile): Promise<ParsedFile> {
  const { runId, summary } = failed("FILE_REFUSED", refusalMessage(file.event));
  await publishRows(deps, file, [rowRecord(file, { runId }, endOfFile(deps, file, summary, 0))]);
  deps.metrics.files.inc({ outcome: "failed" });
  deps.metrics.throughput.sent("file");
  return { summary, announced: publishParseEvent(deps, file).ended(summary) };
}

/**
 * Publishes the failed end of a file whose event is damaged: the committer records it, and a file that
 * another version has begun to parse does not stay open. What the event said is unknown: id and name come
 * from its offset.
 */
export async function endUndecodable(
  deps: FileRunDeps,
  table: string,
  { offset: sourceOffset, timestampMs }: LogRecord,
  message: string,
): Promise<void> {
  const event: FileEvent = {
    fileId: unknownFileId(table, sourceOffset),
    table,
    sourceFile: `unreadable event ${sourceOffset}`,
    ...{ kind: "put", origin: "upload", blobKey: "", sizeBytes: 0, contentHash: "", etag: null },
    ...{ receivedAtMs: timestampMs, dialectJson: null, replayOf: null, versionOffset: null },
  };
  const file = { event, sourceOffset, traceparent: undefined };
  await ensureRowsTopic(deps, table);
  const { runId, summary } = failed("FILE_POISON", message);
  await publishRows(deps, file, [rowRecord(file, { runId }, endOfFile(deps, file, summary, 0))]);
  await publishParseEvent(deps, file).ended(summary);
}

/** The same for each delivery of the event, in the form of a UUID. */
function unknownFileId(table: string, sourceOffset: number): string {
  const hex = createHash("sha256").update(`${table}/${sourceOffset}`).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
