import { keyOf, tableId } from "../../../lib/tables.ts";
import { createHash } from "node:crypto";
import { Readable, Transform } from "node:stream";
import { uuidv7 } from "uuidv7";
import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { FormatRequest } from "../../../lib/formats/format.ts";
import { requestFields } from "../../../lib/formats/message-fields.ts";
import { codeOf, hasCode, messageOf, TributaryError } from "../../../lib/errors.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { fileEvents } from "../../../lib/messages/avro.ts";
import type { FileEvent, FileOrigin } from "../../../lib/messages/generated.ts";
import { declaredBy } from "../files/status.ts";
import { hasLineEnds, withoutLineEnds } from "./content-type.ts";
import { untilTooSlow, type Pace } from "./pace.ts";
import { assertDiskSpace } from "./disk-space.ts";
import { makeFileIds, makeTurns } from "./file-ids.ts";
import { rawKey } from "../../../lib/blob/raw-key.ts";
import { concatenate, readUpTo } from "./read-up-to.ts";
import type { Repeats } from "./repeats.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { carrying, untraced, type Span, type Tracer } from "../../../lib/process/tracing.ts";
import type { GatewayMetrics } from "../metrics.ts";

/**
 * A body up to this size is buffered and stored under its final key; a longer one is streamed to `incoming/`
 * first.
 */
const SMALL_BYTES_MAX = 8 * 1024 * 1024;
const INCOMING_PREFIX = "incoming/";
/** Objects in `incoming/` older than this were left by processes that crashed. */
const INCOMING_AGE_MS_MAX = 24 * 60 * 60 * 1000;

export interface IngestDeps {
  log: EventLog;
  blob: BlobStore;
  clock: Clock;
  metrics: GatewayMetrics;
  /** Default: no tracing. */
  tracer?: Tracer;
  /** The pace is that of dropped files, which are read from the drop store. */
  limits: Pace & { sizeBytesMax: number; diskFreeBytesMin: number };
  /** Throws while files must be refused. */
  admit?: () => Promise<void>;
  /** Finds repeated files. Default: none. */
  repeats?: Repeats;
  /** Called with each event once it is durable. */
  onAccepted?: (event: FileEvent, offset: number) => void;
}

/** An incoming file version. The caller has checked the table and file names (names.ts). */
export interface IncomingFile {
  table: string;
  sourceFile: string;
  origin: FileOrigin;
  body: Readable;
  /** Its length, if known: a body of another length is incomplete. */
  sizeBytes?: number | undefined;
  /** The client may have taken the line ends away: a body without any is refused. */
  needsLineEnds?: boolean | undefined;
  etag?: string | undefined;
  dialect?: FormatRequest | undefined;
  /** The sender's trace context, the parent of the file's trace. */
  traceparent?: string | undefined;
  /** The version's id, if its event may be published more than once. Default: a new one. */
  fileId?: string | undefined;
  /** Repetitions of a request have the same key: with equal file and content they are the same version. */
  idempotencyKey?: string | undefined;
  /** Make a new version even if the newest one has the same content. */
  again?: boolean | undefined;
  /** Throws if the caller may not publish the event any more. */
  confirm?: (() => Promise<void>) | undefined;
  /**
   * For a correction: the corrected file, the version that its rows keep, and the content it is based on.
   */
  corrects?: { fileId: string; versionOffset: number; baseOffset: number } | undefined;
}

/** A file whose bytes are arriving. */
export interface RunningUpload extends Pick<IncomingFile, "table" | "sourceFile" | "origin" | "sizeBytes"> {
  startedAtMs: number;
  /** Bytes that have arrived. */
  received: () => number;
}

/** The result of a durable event: the file will be in its table, or its status will give the reason. */
export interface Accepted {
  fileId: string;
  /** Offset of the file event, which is the file's version. */
  offset: number;
  sizeBytes: number;
  /** Published now; undefined: the file repeats this version, and nothing was published. */
  event?: FileEvent;
}

/** The only entry point of file versions, for uploads and drops. */
export interface Ingest {
  /**
   * Stores the body under its content hash and publishes the file event, unless the file repeats a version
   * (repeats.ts). Stores nothing of a body that fails or ends early.
   * @throws UPLOAD_INCOMPLETE, BODY_TOO_LARGE, DISK_FULL, BLOB_UNAVAILABLE, LOG_UNAVAILABLE
   */
  put(file: IncomingFile): Promise<Accepted>;
  /** Publishes the deletion of a file at its source. The contract's `onDelete` decides about its rows. */
  deleted(
    file: Pick<IncomingFile, "table" | "sourceFile" | "origin" | "etag" | "fileId" | "confirm">,
  ): Promise<Accepted>;
  /** The files whose bytes are arriving, in the order of their beginning. */
  running(): readonly RunningUpload[];
  /** Deletes the incomplete uploads of crashed processes. */
  sweep(): Promise<void>;
}

export function makeIngest(deps: IngestDeps): Ingest {
  const { blob, clock, metrics, limits } = deps;
  const turns = makeTurns();
  const running = new Set<RunningUpload>();
  const ids = makeFileIds((table) => deps.repeats?.isAppend(table) ?? false);
  return {
    async put(file) {
      await deps.admit?.();
      metrics.throughput.received("file");
      return inSpan(deps, file, async (span) => {
        await assertDiskSpace(deps, limits.diskFreeBytesMin, file.sizeBytes);
        const stored = await store(deps, file, running);
        metrics.uploadBytes.inc(stored.sizeBytes);
        const arrived = { ...file, ...stored, declared: declaredBy(requestFields(file.dialect)) };
        // Side by side, two requests with one content would both find no earlier version.
        return turns.run(`${file.table}/${file.sourceFile}`, async () => {
          const fileId = ids.of(arrived);
          const again = file.again === true || file.corrects !== undefined;
          const repeated = deps.repeats?.of({ ...arrived, fileId, again });
          if (repeated) {
            metrics.throughput.dropped("repeated_file");
            return repeated;
          }
          const event: FileEvent = {
            ...baseEvent(fileId, clock.nowMs(), file),
            kind: "put",
            blobKey: rawKey(stored.contentHash),
            ...stored,
            replayOf: file.corrects?.fileId ?? null,
            versionOffset: file.corrects?.versionOffset ?? null,
            ...(file.corrects ? { baseOffset: file.corrects.baseOffset, newRows: true } : {}),
            ...requestFields(file.dialect),
          };
          await file.confirm?.();
          return ids.keeping(arrived, fileId, () => publishFile(deps, event, span));
        });
      });
    },
    async deleted(file) {
      await deps.admit?.();
      metrics.throughput.received("deletion");
      return inSpan(deps, file, async (span) => {
        await file.confirm?.();
        return publishFile(deps, baseEvent(file.fileId ?? uuidv7(), clock.nowMs(), file), span);
      });
    },
    running: () => [...running],
    async sweep() {
      for await (const { key, modifiedAtMs } of blob.list(INCOMING_PREFIX)) {
        if (modifiedAtMs < clock.nowMs() - INCOMING_AGE_MS_MAX) await blob.delete(key);
      }
    },
  };
}

/** The first span of a file's trace: from its first byte until its event is durable. */
async function inSpan(
  { tracer = untraced }: IngestDeps,
  { table, sourceFile, origin, traceparent }: Pick<IncomingFile, "table" | "sourceFile" | "origin" | "traceparent">,
  work: (span: Span) => Promise<Accepted>,
): Promise<Accepted> {
  const attributes = {
    "tributary.table": table,
    "tributary.source_file": sourceFile,
    "tributary.origin": origin,
  };
  const span = tracer.start("receive", { parent: traceparent, attributes });
  try {
    const accepted = await work(span);
    span.set({ "tributary.file_id": accepted.fileId, "tributary.size_bytes": accepted.sizeBytes });
    span.end();
    return accepted;
  } catch (thrown) {
    span.end({ errorCode: codeOf(thrown) });
    throw thrown;
  }
}

function baseEvent(
  fileId: string,
  receivedAtMs: number,
  { table, sourceFile, origin, etag }: Pick<IncomingFile, "table" | "sourceFile" | "origin" | "etag">,
): FileEvent {
  return {
    fileId,
    table,
    sourceFile,
    kind: "deleted",
    origin,
    blobKey: "",
    sizeBytes: 0,
    contentHash: "",
    etag: etag ?? null,
    receivedAtMs,
    dialectJson: null,
    replayOf: null,
    versionOffset: null,
  };
}

async function publishFile(
  { log, metrics, onAccepted }: IngestDeps,
  event: FileEvent,
  { traceparent }: Span,
): Promise<Accepted> {
  const record = { key: keyOf(tableId(event.table)), value: fileEvents.encode(event), ...carrying(traceparent) };
  const [position] = await log.publish(TOPICS.fileEvents.name, [record]);
  const { offset } = position!;
  metrics.throughput.sent(event.kind === "put" ? "file" : "deletion");
  onAccepted?.(event, offset);
  return { fileId: event.fileId, offset, sizeBytes: event.sizeBytes, event };
}

interface Stored {
  contentHash: string;
  sizeBytes: number;
}

async function store(deps: IngestDeps, file: IncomingFile, running: Set<RunningUpload>): Promise<Stored> {
  const { sizeBytesMax } = deps.limits;
  if (file.sizeBytes !== undefined && file.sizeBytes > sizeBytesMax) throw tooLarge(sizeBytesMax);
  const meter = metered(file, sizeBytesMax);
  const finished = new AbortController();
  const { table, sourceFile, origin, sizeBytes } = file;
  const received = (): number => meter.sizeBytes;
  const upload: RunningUpload = { table, sourceFile, origin, sizeBytes, startedAtMs: deps.clock.nowMs(), received };
  running.add(upload);
  // Requests have this limit already (body-pace.ts), and corrections are read from the blob store.
  const watching = file.origin === "drop" ? failWhenSlow(deps, meter, finished.signal) : undefined;
  try {
    const isLarge = (file.sizeBytes ?? 0) > SMALL_BYTES_MAX;
    const head = await readUpTo(meter, isLarge ? 0 : SMALL_BYTES_MAX);
    if (head.ended) {
      checkLength(file, meter.sizeBytes);
      await putOnce(deps.blob, rawKey(meter.digest()), Buffer.concat(head.chunks));
    } else {
      await storeLarge(deps.blob, file, head.chunks, meter);
    }
    return { contentHash: meter.digest(), sizeBytes: meter.sizeBytes };
  } catch (error) {
    // A body's failure also fails the blob store, with the store's own error. Report the body's.
    const first = meter.errored ?? error;
    file.body.unpipe(meter);
    meter.destroy();
    throw first instanceof TributaryError ? first : incomplete(first);
  } finally {
    running.delete(upload);
    finished.abort();
    await watching;
  }
}

/** Pipes the body through a meter, which fails if the body fails or ends early. */
function metered({ body, needsLineEnds = false }: IncomingFile, sizeBytesMax: number): ByteMeter {
  const meter = new ByteMeter(sizeBytesMax, needsLineEnds);
  const cutOff = (): void => {
    if (!body.readableEnded) meter.destroy(body.errored ?? new Error("the connection closed early"));
  };
  // Readers of the meter see its failure. Without a listener, a failure between two reads would crash the
  // process.
  meter.on("error", () => undefined);
  body.on("error", (error) => meter.destroy(error));
  body.once("close", cutOff);
  if (body.destroyed) cutOff();
  return body.pipe(meter);
}

async function storeLarge(blob: BlobStore, file: IncomingFile, head: Buffer[], meter: ByteMeter): Promise<void> {
  const incoming = INCOMING_PREFIX + uuidv7();
  const body = Readable.from(concatenate(head, meter), { objectMode: false, highWaterMark: 1024 * 1024 });
  await blob.put(incoming, body, file.sizeBytes === undefined ? {} : { sizeBytes: file.sizeBytes });
  const key = rawKey(meter.digest());
  // See putOnce.
  if ((await blob.head(key))?.sizeBytes === meter.sizeBytes) await blob.delete(incoming);
  else await blob.move(incoming, key);
}

/**
 * Keys are content hashes, so an existing object has the same bytes. One of another size was cut off and is
 * replaced; the parser compares the bytes.
 */
async function putOnce(blob: BlobStore, key: string, bytes: Buffer): Promise<void> {
  try {
    await blob.put(key, bytes, { ifAbsent: true, sizeBytes: bytes.length });
  } catch (error) {
    if (!hasCode(error, "BLOB_EXISTS")) throw error;
    if ((await blob.head(key))?.sizeBytes === bytes.length) return;
    await blob.put(key, bytes, { sizeBytes: bytes.length });
  }
}

/**
 * Counts and hashes the bytes that pass; fails beyond the size limit, and if needed line ends are missing.
 */
class ByteMeter extends Transform {
  readonly #hash = createHash("sha256");
  readonly #sizeBytesMax: number;
  #needsLineEnds: boolean;
  #digest: string | undefined;
  sizeBytes = 0;

  constructor(sizeBytesMax: number, needsLineEnds: boolean) {
    super();
    this.#sizeBytesMax = sizeBytesMax;
    this.#needsLineEnds = needsLineEnds;
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: Error | null, chunk?: Buffer) => void): void {
    this.sizeBytes += chunk.length;
    if (this.sizeBytes > this.#sizeBytesMax) return done(tooLarge(this.#sizeBytesMax));
    if (this.#needsLineEnds) this.#needsLineEnds = !hasLineEnds(chunk);
    this.#hash.update(chunk);
    done(null, chunk);
  }

  override _flush(done: (error: Error | null) => void): void {
    done(this.#needsLineEnds && this.sizeBytes > 0 ? withoutLineEnds() : null);
  }

  /** SHA-256 of all bytes, hexadecimal. Only after the end. */
  digest(): string {
    return (this.#digest ??= this.#hash.digest("hex"));
  }
}

async function failWhenSlow({ clock, limits }: IngestDeps, meter: ByteMeter, signal: AbortSignal): Promise<void> {
  const error = await untilTooSlow(clock, limits, () => meter.sizeBytes, signal);
  if (error) meter.destroy(error);
}

function checkLength(file: IncomingFile, sizeBytes: number): void {
  if (file.sizeBytes !== undefined && file.sizeBytes !== sizeBytes) {
    throw incomplete(new Error(`${sizeBytes} of ${file.sizeBytes} bytes arrived`));
  }
}

const incomplete = (cause: unknown): TributaryError =>
  new TributaryError("UPLOAD_INCOMPLETE", `incomplete body: ${messageOf(cause)}`, { cause });

const tooLarge = (sizeBytesMax: number): TributaryError =>
  new TributaryError("BODY_TOO_LARGE", `the file is larger than ${sizeBytesMax} bytes (TRIBUTARY_UPLOAD_SIZE_MAX)`);
