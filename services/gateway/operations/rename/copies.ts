import type { WriteMode } from "../../../../lib/warehouse/warehouse.ts";
import { derivedFileId } from "../../../../lib/file-id.ts";
import { versionEvents } from "../../../../lib/file-versions/events.ts";
import { fileEvents } from "../../../../lib/messages/avro.ts";
import type { FileEvent } from "../../../../lib/messages/generated.ts";
import { isCorrection, isOperation, isRepetition, type VersionEvent } from "../../../../lib/messages/repetition.ts";
import { TOPICS } from "../../../../lib/messages/topics.ts";
import { keyOf, tableId } from "../../../../lib/tables.ts";
import type { GatewayDeps } from "../../http/deps.ts";

const PUBLISH_RECORDS_MAX = 500;

/** A renaming that has begun: the event that made the table of the new name. */
export interface Begun {
  fileId: string;
  offset: number;
  to: string;
}

/** The id of a version under the new name: the same in every attempt, so that it is one version there. */
export const copyId = ({ fileId }: Begun, original: string): string => derivedFileId("rename", fileId, original);

/** What the log holds under the new name since the renaming began: by file id, the first event. */
export async function eventsSince(log: GatewayDeps["log"], begun: Begun): Promise<Map<string, VersionEvent>> {
  const events = await versionEvents(log, begun.to);
  return new Map(events.filter(({ offset }) => offset > begun.offset).map((item) => [item.event.fileId, item]));
}

/** Publishes the versions under the new name that are not there yet, in order. Idempotent. */
export async function publishCopies(
  deps: Pick<GatewayDeps, "log" | "metrics">,
  begun: Begun,
  versions: readonly VersionEvent[],
  mode: WriteMode,
): Promise<void> {
  const copies = new Copies(deps, begun, versions);
  await copies.readPublished();
  for (const item of versions) await copies.add(item, mode);
  await copies.flush();
}

class Copies {
  readonly #deps: Pick<GatewayDeps, "log" | "metrics">;
  readonly #begun: Begun;
  /** By offset under the old name: the id under the new one. */
  readonly #ids: ReadonlyMap<number, string>;
  /** By id under the new name: the offset there. */
  #offsets: ReadonlyMap<string, number> = new Map();
  #pending: FileEvent[] = [];

  constructor(deps: Pick<GatewayDeps, "log" | "metrics">, begun: Begun, versions: readonly VersionEvent[]) {
    this.#deps = deps;
    this.#begun = begun;
    this.#ids = new Map(versions.map(({ offset, event }) => [offset, copyId(begun, event.fileId)]));
  }

  async readPublished(): Promise<void> {
    const published = await eventsSince(this.#deps.log, this.#begun);
    this.#offsets = new Map([...published].map(([fileId, { offset }]) => [fileId, offset]));
  }

  async add(item: VersionEvent, mode: WriteMode): Promise<void> {
    if (this.#offsets.has(this.#ids.get(item.offset)!)) return;
    // In a replace table the corrected file is the file's newest version, whole.
    const repeats = mode !== "replace" && isCorrection(item) ? await this.#corrected(item) : undefined;
    this.#pending.push(this.#copyOf(item, repeats));
    if (this.#pending.length >= PUBLISH_RECORDS_MAX) await this.flush();
  }

  async flush(): Promise<void> {
    const { log, metrics } = this.#deps;
    const events = this.#pending;
    this.#pending = [];
    if (events.length === 0) return;
    const key = keyOf(tableId(this.#begun.to));
    const records = events.map((event) => ({ key, value: fileEvents.encode(event) }));
    await log.publish(TOPICS.fileEvents.name, records);
    metrics.throughput.sent("replay", events.length);
  }

  #copyOf({ event }: VersionEvent, repeats: Pick<FileEvent, "versionOffset" | "baseOffset"> | undefined): FileEvent {
    return {
      ...event,
      fileId: copyId(this.#begun, event.fileId),
      table: this.#begun.to,
      replayOf: repeats && event.replayOf !== null ? copyId(this.#begun, event.replayOf) : null,
      ...(repeats ?? { versionOffset: null, baseOffset: null, newRows: false }),
      decision: null,
      settled: true,
    };
  }

  /**
   * The version that a correction corrects, by its offset under the new name: that of the first event with
   * its id, which another gateway may have published. Undefined: it is not part of the table, and the
   * correction brings all its rows itself.
   */
  async #corrected({ event }: VersionEvent): Promise<Pick<FileEvent, "versionOffset" | "baseOffset"> | undefined> {
    const version = this.#ids.get(event.versionOffset!);
    const base = this.#ids.get(event.baseOffset ?? event.versionOffset!) ?? version;
    if (version === undefined || base === undefined) return undefined;
    if (!this.#offsets.has(version) || !this.#offsets.has(base)) {
      await this.flush();
      await this.readPublished();
    }
    return { versionOffset: this.#offsets.get(version)!, baseOffset: this.#offsets.get(base)! };
  }
}

/**
 * Files that were sent under the new name while the renaming ran, and that a version which was sent before
 * them comes after there: it is in the way of their rows.
 */
export function outOfOrder(
  begun: Begun,
  present: ReadonlyMap<string, VersionEvent>,
  versions: readonly VersionEvent[],
  mode: WriteMode,
): string[] {
  if (mode === "append") return [];
  const ids = new Set(versions.map(({ event }) => copyId(begun, event.fileId)));
  const newest = new Map<string, VersionEvent>();
  for (const [fileId, item] of present) {
    const isOwn = ids.has(fileId) || item.event.settled === true || isOperation(item);
    if (!isOwn && !isRepetition(item)) newest.set(item.event.sourceFile, item);
  }
  const isOvertaken = (sent: VersionEvent): boolean =>
    versions.some(({ event }) => {
      const offset = present.get(copyId(begun, event.fileId))?.offset ?? Infinity;
      const isSame = mode !== "replace" || event.sourceFile === sent.event.sourceFile;
      return isSame && offset > sent.offset && event.receivedAtMs < sent.event.receivedAtMs;
    });
  return [...newest.values()].filter(isOvertaken).map(({ event }) => event.sourceFile);
}
