import { keyOf, tableId } from "../../../lib/tables.ts";
import { uuidv7 } from "uuidv7";
import type { Clock } from "../../../lib/clock.ts";
import type { WriteMode } from "../../../lib/warehouse/warehouse.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { eventPartition } from "../../../lib/event-log/table-partition.ts";
import { fileEvents } from "../../../lib/messages/avro.ts";
import type { FileEvent } from "../../../lib/messages/generated.ts";
import { contentOf, isRepetition, versionOf, type VersionEvent } from "../../../lib/messages/repetition.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import type { GatewayMetrics } from "../metrics.ts";

/** Selects past file events to publish again. Bounds are inclusive; an undefined one does not limit. */
export interface ReplayRange {
  fromOffset?: number;
  toOffset?: number;
  fromMs?: number;
  toMs?: number;
  /** Start at the first event of this source file. */
  fromFile?: string;
  /** Only this source file. */
  onlyFile?: string;
}

const PUBLISH_RECORDS_MAX = 500;

/** Sorts corrections to the position of the version they correct. */
const byVersion = (a: VersionEvent, b: VersionEvent): number => versionOf(a) - versionOf(b) || a.offset - b.offset;

/**
 * The events to publish again, oldest version first. Skips repetitions, because their originals are
 * selected. A replace table needs only the newest version of each file. Upsert and append tables need every
 * version in order to reach the same contents.
 */
export function selectReplays(past: readonly VersionEvent[], mode: WriteMode, range: ReplayRange): VersionEvent[] {
  const originals = past.filter((item) => !isRepetition(item)).sort(byVersion);
  const first =
    range.fromFile === undefined ? 0 : originals.findIndex(({ event }) => event.sourceFile === range.fromFile);
  if (first < 0) return [];
  const chosen = originals
    .slice(first)
    .filter(({ offset }) => offset >= (range.fromOffset ?? 0) && offset <= (range.toOffset ?? Infinity))
    .filter(
      ({ event }) =>
        event.receivedAtMs >= (range.fromMs ?? -Infinity) && event.receivedAtMs <= (range.toMs ?? Infinity),
    )
    .filter(({ event }) => range.onlyFile === undefined || event.sourceFile === range.onlyFile);
  if (mode !== "replace") return chosen;
  const newest = new Map(chosen.map((item) => [item.event.sourceFile, item.offset]));
  return chosen.filter(({ offset, event }) => newest.get(event.sourceFile) === offset);
}

/**
 * The events to publish again to retry rejected rows, oldest first: the last attempt of each file (in append
 * tables of each version of a file), if `fileIds`, the file versions with rejects, includes it.
 */
export function selectRejected(
  past: readonly VersionEvent[],
  mode: WriteMode,
  fileIds: ReadonlySet<string>,
): VersionEvent[] {
  const attempts = new Map<string, VersionEvent>();
  for (const item of past.toSorted((a, b) => a.offset - b.offset)) {
    const { sourceFile, fileId, kind } = item.event;
    if (mode !== "append" && !fileIds.has(fileId)) continue;
    if (kind === "put") attempts.set(mode === "append" ? `${versionOf(item)} ${sourceFile}` : fileId, item);
  }
  return [...attempts.values()].filter(({ event }) => fileIds.has(event.fileId)).sort(byVersion);
}

/** Whether a version has the content of its file's newest version among `past`. */
export function newestIn(past: readonly VersionEvent[]): (item: VersionEvent) => boolean {
  const contents = new Map(past.toSorted(byVersion).map((item) => [item.event.sourceFile, contentOf(item)]));
  return (item) => contents.get(item.event.sourceFile) === contentOf(item);
}

/**
 * All file versions of a table in the log, oldest first. An event that was published twice counts once. A
 * file that was held and accepted is read as the first decision says; one that was refused is left out.
 */
export async function versionEvents(log: EventLog, table: string): Promise<VersionEvent[]> {
  const found = new Map<string, VersionEvent>();
  const decided = new Set<string>();
  const { partition, earliest, next } = await eventPartition(log, table);
  if (next <= earliest) return [];
  for await (const record of log.read(TOPICS.fileEvents.name, partition, earliest, next)) {
    const event = record.key === table ? eventOf(record.value) : undefined;
    if (!event) continue;
    const { fileId, decision } = event;
    if (!decision && !found.has(fileId)) found.set(fileId, { offset: record.offset, event });
    if (!decision || decided.has(fileId)) continue;
    decided.add(fileId);
    if (decision.verdict === "refuse") found.delete(fileId);
    else found.set(fileId, acceptedVersion(event, found.get(fileId)?.event));
  }
  return [...found.values()].sort((a, b) => a.offset - b.offset);
}

/** The version that was held, with the settings with which it was accepted. */
function acceptedVersion(accepting: FileEvent, held: FileEvent | undefined): VersionEvent {
  const { origin, replayOf } = held ?? { origin: "upload", replayOf: null };
  const unlike = { versionOffset: null, baseOffset: null, newRows: false, decision: null };
  return { offset: accepting.versionOffset!, event: { ...accepting, origin, replayOf, ...unlike } };
}

/** Undefined for bytes that are not a file event: the parser has made them dead letters. */
function eventOf(value: Buffer): FileEvent | undefined {
  try {
    return fileEvents.decode(value);
  } catch {
    return undefined;
  }
}

/**
 * - `repetitions`: the events keep their versions, so that newer versions stay.
 * - `rejects`: the same, and they may bring rows that were rejected.
 * - `newest`: the events become new versions, over everything that came after the originals.
 */
export type ReplayMode = "repetitions" | "rejects" | "newest";

/**
 * Publishes the chosen events again, in order, with new file ids. Idempotent, except with mode `newest`.
 */
export async function publishReplays(
  { log, clock, metrics }: { log: EventLog; clock: Clock; metrics: GatewayMetrics },
  chosen: readonly VersionEvent[],
  mode: ReplayMode,
): Promise<{ fileId: string; sourceFile: string; replayOf: string }[]> {
  const published: { fileId: string; sourceFile: string; replayOf: string }[] = [];
  for (let start = 0; start < chosen.length; start += PUBLISH_RECORDS_MAX) {
    const events = chosen.slice(start, start + PUBLISH_RECORDS_MAX).map((item): FileEvent => ({
      ...item.event,
      fileId: uuidv7(),
      origin: "replay",
      receivedAtMs: clock.nowMs(),
      replayOf: item.event.fileId,
      ...(mode === "newest"
        ? { versionOffset: null, baseOffset: null, newRows: false }
        : { versionOffset: versionOf(item), baseOffset: contentOf(item), newRows: mode === "rejects" }),
    }));
    await log.publish(
      TOPICS.fileEvents.name,
      events.map((event) => ({ key: keyOf(tableId(event.table)), value: fileEvents.encode(event) })),
    );
    metrics.throughput.sent("replay", events.length);
    published.push(...events.map(({ fileId, sourceFile, replayOf }) => ({ fileId, sourceFile, replayOf: replayOf! })));
  }
  return published;
}
