import { randomUUID } from "node:crypto";
import type { BlobStore } from "../../lib/blob/blob-store.ts";
import type { Clock } from "../../lib/clock.ts";
import type { ColumnType } from "../../lib/columns.ts";
import { dialectOverrideSchema, keepsVersions, type Contracts } from "../../lib/contract/contract.ts";
import type { Dialect } from "../../lib/formats/csv/dialect.ts";
import type { ParseJob, ParseOutput, ParseSummary } from "../../lib/parsing/parse-file.ts";
import { codeOf, hasCode, isRetryable, messageOf, type ErrorCode } from "../../lib/errors.ts";
import type { EventLog } from "../../lib/event-log/event-log.ts";
import type { EndOfFile, FileEvent, RowMessage } from "../../lib/messages/generated.ts";
import { rowMessages } from "../../lib/messages/avro.ts";
import { rowsTopic } from "../../lib/messages/topics.ts";
import { retry } from "../../lib/retry.ts";
import type { Logger } from "../../lib/process/logger.ts";
import { carrying, type Tracer } from "../../lib/process/tracing.ts";
import { publishParseEvent } from "./announce.ts";
import type { ParserSettings } from "./config.ts";
import type { ParserMetrics } from "./metrics.ts";
import type { TableSchema } from "../../lib/parsing/table-schemas.ts";
import type { TableSchemas } from "./table-schemas.ts";
import { WorkerCrash, type WorkerPool } from "./worker-pool.ts";

export interface FileRunDeps {
  log: EventLog;
  blob: BlobStore;
  contracts: Contracts;
  clock: Clock;
  logger: Logger;
  metrics: ParserMetrics;
  tracer: Tracer;
  schemas: TableSchemas;
  pool: WorkerPool;
  /** Tables whose rows topic is there. */
  rowsTopics: Set<string>;
  settings: ParserSettings;
}

/** A file event at its place in the log. */
export interface ArrivedFile {
  event: FileEvent;
  sourceOffset: number;
  /** Of its parse's span: what is published of the file carries it on. */
  traceparent: string | undefined;
}

/** How parsing a file ended, and in which run. */
interface Outcome {
  runId: string;
  summary: ParseSummary;
}

/**
 * Does everything one file event asks for: publishes the file's rows, rejects and end-of-file, the table's schema if it changed, and
 * what the gateway shows meanwhile. What is wrong with the file is published, not thrown. Returns what was published; undefined if the
 * signal aborted first.
 * @throws what a port still answers after the retries; nothing has to be undone then, the next try has a run of its own.
 */
export async function parseArrived(
  deps: FileRunDeps,
  file: ArrivedFile,
  signal: AbortSignal,
): Promise<ParseSummary | undefined> {
  const { clock, settings } = deps;
  const startedMs = clock.monotonicMs();
  await ensureRowsTopic(deps, file.event.table);
  if (file.event.kind === "deleted") return publishDeleted(deps, file);
  const tell = publishParseEvent(deps, file);
  await tell.started();
  const known = await deps.schemas.of(file.event.table);
  const retrying = {
    ...settings,
    signal,
    onRetry: (err: unknown) => {
      deps.metrics.throughput.error(codeOf(err));
      deps.logger.warn({ err }, "parsing is tried again");
    },
  };
  const outcome = await retry(clock, retrying, () => parseWhole(deps, file, known, signal));
  if (signal.aborted || !outcome) return undefined;
  const end = async ({ runId, summary }: Outcome): Promise<ParseSummary> => {
    const parseMs = Math.round(clock.monotonicMs() - startedMs);
    if (summary.outcome === "complete") await publishSchema(deps, file, known, summary);
    else await tell.deadLetter(summary.error!);
    await publishRow(deps, file, runId, endOfFile(deps, file, summary, parseMs));
    await tell.ended(summary);
    count(deps.metrics, summary, parseMs);
    return summary;
  };
  try {
    return await end(outcome);
  } catch (thrown) {
    // A table of absurdly many columns may not go into one message: then the file fails, and not the partition with it.
    if (!hasCode(thrown, "LOG_RECORD_TOO_LARGE")) throw thrown;
    return end(failed("FILE_TOO_MANY_COLUMNS", thrown.message));
  }
}

async function ensureRowsTopic({ log, rowsTopics }: FileRunDeps, table: string): Promise<void> {
  if (rowsTopics.has(table)) return;
  await log.createTopics([rowsTopic(table)]);
  rowsTopics.add(table);
}

/** One try: reads the file once, or twice if a type did not hold. Undefined if the signal aborted. */
async function parseWhole(
  deps: FileRunDeps,
  file: ArrivedFile,
  known: TableSchema | undefined,
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  let inferred: Record<string, ColumnType> | undefined;
  for (let crashes = 0; ;) {
    const runId = randomUUID();
    try {
      const last = await parseOnce(deps, file, jobOf(deps, file, known, inferred), runId, signal);
      if (last?.kind === "end") return { runId, summary: last.summary };
      if (last?.kind !== "retype") return undefined;
      inferred = last.types;
      deps.metrics.retypings.inc();
    } catch (thrown) {
      if (signal.aborted) return undefined;
      if (isRetryable(thrown)) throw thrown;
      if (hasCode(thrown, "BLOB_NOT_FOUND")) {
        return failed("BLOB_MISSING", `'${file.event.blobKey}' is not in the blob store`);
      }
      deps.logger.error({ err: thrown, fileId: file.event.fileId }, "parsing failed in a way that it should not");
      // Whatever it is, it must not stand in the way of the files behind this one.
      if (!(thrown instanceof WorkerCrash)) return failed("FILE_POISON", messageOf(thrown));
      if (++crashes >= deps.settings.crashesMax) {
        return failed("FILE_POISON", `the parser failed ${crashes} times: ${thrown.message}`);
      }
    }
  }
}

/** Reads the file and publishes what comes of it; the last output, or undefined if the signal aborted before. */
async function parseOnce(
  deps: FileRunDeps,
  file: ArrivedFile,
  job: ParseJob,
  runId: string,
  signal: AbortSignal,
): Promise<ParseOutput | undefined> {
  const { body } = await deps.blob.get(file.event.blobKey, { signal });
  try {
    for await (const output of deps.pool.parse(job, body, signal)) {
      if (output.kind === "end" || output.kind === "retype") return output;
      await publishRow(deps, file, runId, bodyOf(output));
    }
    return undefined;
  } finally {
    body.destroy();
  }
}

function jobOf(
  { contracts, settings, log }: FileRunDeps,
  { event, sourceOffset }: ArrivedFile,
  known: TableSchema | undefined,
  inferred: Record<string, ColumnType> | undefined,
): ParseJob {
  const { sourceFile, receivedAtMs, versionOffset } = event;
  const contract = contracts.of(event.table);
  const rowOffset = keepsVersions(contract) ? (versionOffset ?? sourceOffset) : sourceOffset;
  return {
    fileName: sourceFile,
    contract,
    requested: event.dialectJson === null ? {} : dialectOverrideSchema.parse(JSON.parse(event.dialectJson)),
    known: known?.columns ?? [],
    ...(known ? { pinned: known.dialect } : {}),
    ...(inferred ? { inferred } : {}),
    origin: { sourceFile, sourceOffset: rowOffset, receivedAtMs },
    limits: { ...settings.limits, messageBytesMax: log.recordBytesMax },
  };
}

const NOTHING_READ = { columns: [], rowsRead: 0, rowsAccepted: 0, rowsRejected: 0, rejectsByReason: {}, textBytes: 0 };

const failed = (code: ErrorCode, message: string): Outcome => ({
  runId: randomUUID(),
  summary: { ...NOTHING_READ, outcome: "failed", error: { code, message } },
});

function bodyOf(output: Extract<ParseOutput, { kind: "rows" | "rejects" }>): RowMessage["body"] {
  if (output.kind === "rejects") return { "tributary.RejectBatch": { rejects: output.rejects } };
  const { rows, ...batch } = output.batch;
  return { "tributary.RowBatch": { ...batch, rows: Buffer.from(rows.buffer, rows.byteOffset, rows.length) } };
}

async function publishRow(
  deps: FileRunDeps,
  file: ArrivedFile,
  runId: string,
  body: RowMessage["body"],
): Promise<void> {
  const { fileId, sourceFile, table } = file.event;
  const value = rowMessages.encode({ fileId, sourceFile, sourceOffset: file.sourceOffset, runId, body });
  await deps.log.publish(rowsTopic(table).name, [{ key: table, value, ...carrying(file.traceparent) }]);
}

async function publishSchema(
  { schemas }: FileRunDeps,
  { event, sourceOffset }: ArrivedFile,
  known: TableSchema | undefined,
  { columns, dialect }: ParseSummary,
): Promise<void> {
  if (known && JSON.stringify(known.columns) === JSON.stringify(columns)) return;
  const { confidence: _, ...found } = dialect!;
  const pinned: Dialect = known?.dialect ?? found;
  await schemas.publish(event.table, sourceOffset, { columns, dialect: pinned });
}

/** The file's rows are to go (or to stay, as the contract says: the committer's affair). */
async function publishDeleted(deps: FileRunDeps, file: ArrivedFile): Promise<ParseSummary> {
  const known = await deps.schemas.of(file.event.table);
  const summary: ParseSummary = { ...NOTHING_READ, outcome: "complete", columns: known?.columns ?? [] };
  const { "tributary.EndOfFile": end } = endOfFile(deps, file, summary, 0);
  await publishRow(deps, file, randomUUID(), { "tributary.EndOfFile": { ...end, outcome: "deleted" } });
  await publishParseEvent(deps, file).ended(summary);
  deps.metrics.files.inc({ outcome: "deleted" });
  deps.metrics.throughput.sent("file");
  return summary;
}

function endOfFile(
  { clock }: FileRunDeps,
  { event }: ArrivedFile,
  summary: ParseSummary,
  parseMs: number,
): { "tributary.EndOfFile": EndOfFile } {
  const { sizeBytes, contentHash, etag, receivedAtMs } = event;
  const { outcome, columns, rowsRead, rowsAccepted, rowsRejected, dialect, error } = summary;
  return {
    "tributary.EndOfFile": {
      outcome,
      columns,
      rowsRead,
      rowsAccepted,
      rowsRejected,
      sizeBytes,
      contentHash,
      etag,
      receivedAtMs,
      parsedAtMs: clock.nowMs(),
      parseMs,
      delimiter: dialect?.delimiter ?? "",
      encoding: dialect?.encoding ?? "",
      errorCode: error?.code ?? null,
      errorMessage: error?.message ?? null,
    },
  };
}

function count(metrics: ParserMetrics, summary: ParseSummary, parseMs: number): void {
  metrics.files.inc({ outcome: summary.outcome });
  metrics.rows.inc({ outcome: "accepted" }, summary.rowsAccepted);
  metrics.rows.inc({ outcome: "rejected" }, summary.rowsRejected);
  metrics.bytes.inc(summary.textBytes);
  metrics.parseSeconds.observe(parseMs / 1000);
  for (const [reason, n] of Object.entries(summary.rejectsByReason)) metrics.rejects.inc({ reason }, n);
  if (summary.error) {
    metrics.throughput.error(summary.error.code);
    metrics.throughput.sent("dead_letter");
  }
  metrics.throughput.sent("file");
  metrics.throughput.sent("rows", summary.rowsAccepted);
  metrics.throughput.sent("rejects", summary.rowsRejected);
}
