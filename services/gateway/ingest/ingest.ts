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
import { rawKey } from "./raw-key.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { carrying, untraced, type Span, type Tracer } from "../../../lib/process/tracing.ts";
import type { GatewayMetrics } from "../metrics.ts";

/** A body up to this size goes through memory, straight to its place; a longer one by way of `incoming/`. */
const SMALL_BYTES_MAX = 8 * 1024 * 1024;
const INCOMING_PREFIX = "incoming/";
/** What lies in `incoming/` for so long belongs to a process that died. */
const INCOMING_AGE_MS_MAX = 24 * 60 * 60 * 1000;

export interface IngestDeps {
  log: EventLog;
  blob: BlobStore;
  clock: Clock;
  metrics: GatewayMetrics;
  /** Default: nothing is traced. */
  tracer?: Tracer;
  limits: { sizeBytesMax: number; idleMsMax: number; diskFreeBytesMin: number };
  /** Throws while no file may come in. */
  admit?: () => Promise<void>;
  /** Told of every event once it is durable. */
  onAccepted?: (event: FileEvent, offset: number) => void;
}

/** A file version that comes in. Table and file names have been checked already (names.ts). */
export interface IncomingFile {
  table: string;
  sourceFile: string;
  origin: FileOrigin;
  body: Readable;
  /** Its length, where known: a body that ends elsewhere is incomplete. */
  sizeBytes?: number | undefined;
  etag?: string | undefined;
  dialect?: FormatRequest | undefined;
  /** The sender's trace, which the file's becomes part of. */
  traceparent?: string | undefined;
  /** A correction: the file that it corrects, and the version whose offset its rows keep, if they do. */
  corrects?: { fileId: string; versionOffset: number | null } | undefined;
}

/** The event is durable: the file will be in its table, or its status will say why not. */
export interface Accepted {
  fileId: string;
  /** The version: offset of the file event. */
  offset: number;
  event: FileEvent;
}

/** The one way a file version enters, from uploads and from drops. */
export interface Ingest {
  /**
   * Stores the body under its content hash and publishes the file event. Nothing is stored of a body that fails or ends early.
   * @throws UPLOAD_INCOMPLETE, BODY_TOO_LARGE, DISK_FULL, BLOB_UNAVAILABLE, LOG_UNAVAILABLE
   */
  put(file: IncomingFile): Promise<Accepted>;
  /** Publishes that a file is gone from where it came. What becomes of its rows, the contract says (`onDelete`). */
  deleted(file: Pick<IncomingFile, "table" | "sourceFile" | "origin" | "etag">): Promise<Accepted>;
  /** Removes what processes that died left half-way. */
  sweep(): Promise<void>;
}

export function makeIngest(deps: IngestDeps): Ingest {
  const { blob, clock, metrics, limits } = deps;
  return {
    async put(file) {
      await deps.admit?.();
      metrics.throughput.received("file");
      return inSpan(deps, file, async (span) => {
        await checkRoom(blob, limits.diskFreeBytesMin, file.sizeBytes ?? 0);
        const stored = await store(deps, file);
        metrics.uploadBytes.inc(stored.sizeBytes);
        const event: FileEvent = {
          ...blankEvent(uuidv7(), clock.nowMs(), file),
          kind: "put",
          blobKey: rawKey(stored.contentHash),
          ...stored,
          replayOf: file.corrects?.fileId ?? null,
          versionOffset: file.corrects?.versionOffset ?? null,
          ...requestFields(file.dialect),
        };
        return publishFile(deps, event, span);
      });
    },
    async deleted(file) {
      await deps.admit?.();
      metrics.throughput.received("deletion");
      return inSpan(deps, file, (span) => publishFile(deps, blankEvent(uuidv7(), clock.nowMs(), file), span));
    },
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
    span.set({ "tributary.file_id": accepted.fileId, "tributary.size_bytes": accepted.event.sizeBytes });
    span.end();
    return accepted;
  } catch (thrown) {
    span.end({ errorCode: codeOf(thrown) });
    throw thrown;
  }
}

function blankEvent(
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
  const record = { key: event.table, value: fileEvents.encode(event), ...carrying(traceparent) };
  const [position] = await log.publish(TOPICS.fileEvents.name, [record]);
  const { offset } = position!;
  metrics.throughput.sent(event.kind === "put" ? "file" : "deletion");
  onAccepted?.(event, offset);
  return { fileId: event.fileId, offset, event };
}

async function checkRoom(blob: BlobStore, freeBytesMin: number, sizeBytes: number): Promise<void> {
  const space = await blob.space();
  if (space && space.freeBytes - sizeBytes < freeBytesMin) {
    throw new TributaryError(
      "DISK_FULL",
      `the blob store has ${space.freeBytes} bytes free, of which ${freeBytesMin} are kept (TRIBUTARY_DISK_FREE_MIN)`,
    );
  }
}

interface Stored {
  contentHash: string;
  sizeBytes: number;
}

async function store(deps: IngestDeps, file: IncomingFile): Promise<Stored> {
  const { sizeBytesMax, idleMsMax } = deps.limits;
  if (file.sizeBytes !== undefined && file.sizeBytes > sizeBytesMax) throw tooLarge(sizeBytesMax);
  const measure = measured(file.body, sizeBytesMax);
  const finished = new AbortController();
  const watching = giveUpWhenIdle(deps.clock, measure, idleMsMax, finished.signal);
  try {
    const isLarge = (file.sizeBytes ?? 0) > SMALL_BYTES_MAX;
    const head = await readUpTo(measure, isLarge ? 0 : SMALL_BYTES_MAX);
    if (head.ended) {
      checkLength(file, measure.sizeBytes);
      await putOnce(deps.blob, rawKey(measure.digest()), Buffer.concat(head.chunks));
    } else {
      await storeLarge(deps.blob, file, head.chunks, measure);
    }
    return { contentHash: measure.digest(), sizeBytes: measure.sizeBytes };
  } catch (error) {
    // A store that was cut off by its body may word that its own way: what went wrong first counts.
    const first = measure.errored ?? error;
    file.body.unpipe(measure);
    measure.destroy();
    throw first instanceof TributaryError ? first : incomplete(first);
  } finally {
    finished.abort();
    await watching;
  }
}

/** The body, counted and hashed on its way; fails when the body does, or ends before its end. */
function measured(body: Readable, sizeBytesMax: number): ByteMeter {
  const measure = new ByteMeter(sizeBytesMax);
  const cutOff = (): void => {
    if (!body.readableEnded) measure.destroy(new Error("it broke off"));
  };
  // Whoever reads the measure sees its failure; this keeps a failure that comes between two reads from being nobody's.
  measure.on("error", () => undefined);
  body.on("error", (error) => measure.destroy(error));
  body.once("close", cutOff);
  if (body.destroyed) cutOff();
  return body.pipe(measure);
}

async function storeLarge(blob: BlobStore, file: IncomingFile, head: Buffer[], measure: ByteMeter): Promise<void> {
  const incoming = INCOMING_PREFIX + uuidv7();
  const body = Readable.from(headThen(head, measure), { objectMode: false, highWaterMark: 1024 * 1024 });
  await blob.put(incoming, body, file.sizeBytes === undefined ? {} : { sizeBytes: file.sizeBytes });
  const key = rawKey(measure.digest());
  if (await blob.head(key)) await blob.delete(incoming);
  else await blob.move(incoming, key);
}

async function* headThen(head: Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* head;
  yield* rest;
}

/** Content-addressed: what is there already is the same. */
async function putOnce(blob: BlobStore, key: string, bytes: Buffer): Promise<void> {
  try {
    await blob.put(key, bytes, { ifAbsent: true, sizeBytes: bytes.length });
  } catch (error) {
    if (!hasCode(error, "BLOB_EXISTS")) throw error;
  }
}

/** Reads until the end or just past `bytesMax`; the stream can be read on from there. */
async function readUpTo(stream: Readable, bytesMax: number): Promise<{ chunks: Buffer[]; ended: boolean }> {
  const chunks: Buffer[] = [];
  let size = 0;
  const iterator = stream.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  for await (const chunk of iterator) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > bytesMax) return { chunks, ended: false };
  }
  return { chunks, ended: true };
}

/** Passes bytes on while counting and hashing them; fails past the size limit. */
class ByteMeter extends Transform {
  readonly #hash = createHash("sha256");
  readonly #sizeBytesMax: number;
  #digest: string | undefined;
  sizeBytes = 0;

  constructor(sizeBytesMax: number) {
    super();
    this.#sizeBytesMax = sizeBytesMax;
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: Error | null, chunk?: Buffer) => void): void {
    this.sizeBytes += chunk.length;
    if (this.sizeBytes > this.#sizeBytesMax) return done(tooLarge(this.#sizeBytesMax));
    this.#hash.update(chunk);
    done(null, chunk);
  }

  /** SHA-256, hex, of what has passed. Only at the end. */
  digest(): string {
    return (this.#digest ??= this.#hash.digest("hex"));
  }
}

async function giveUpWhenIdle(clock: Clock, measure: ByteMeter, idleMsMax: number, signal: AbortSignal): Promise<void> {
  for (let before = -1; before !== measure.sizeBytes;) {
    before = measure.sizeBytes;
    await clock.sleep(idleMsMax, signal);
    if (signal.aborted) return;
  }
  measure.destroy(new Error(`no byte came for ${idleMsMax / 1000} s`));
}

function checkLength(file: IncomingFile, sizeBytes: number): void {
  if (file.sizeBytes !== undefined && file.sizeBytes !== sizeBytes) {
    throw incomplete(new Error(`${sizeBytes} of ${file.sizeBytes} bytes came`));
  }
}

const incomplete = (cause: unknown): TributaryError =>
  new TributaryError("UPLOAD_INCOMPLETE", `the body could not be read to its end: ${messageOf(cause)}`, { cause });

const tooLarge = (sizeBytesMax: number): TributaryError =>
  new TributaryError("BODY_TOO_LARGE", `the file is larger than ${sizeBytesMax} bytes (TRIBUTARY_UPLOAD_SIZE_MAX)`);
