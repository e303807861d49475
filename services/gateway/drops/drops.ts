import { messageOf, TributaryError } from "../../../lib/errors.ts";
import { reportUnreadable } from "../../../lib/observability/unreadable.ts";
import { GROUPS, TOPICS } from "../../../lib/messages/topics.ts";
import { fileOf } from "../files/newest-versions.ts";
import { readDropKey } from "./keys.ts";
import { openDropMemory } from "./memory.ts";
import { readState, type DropState } from "./state.ts";
import { DropWatch, type DropsOptions } from "./watch.ts";

export interface DropPoller {
  /**
   * Checks the named objects, or all, now instead of at the next poll. Unknown names are harmless. Does
   * nothing on a gateway that does not own the watch: the owner finds the objects at its next poll.
   */
  trigger(keys?: readonly string[]): void;
  /** What the watching gateway has published last, whichever it is, and whether it is this one. */
  state(): DropState & { watching: boolean };
  /**
   * Confirms that the held objects of the folder were deleted, if they are at most `missing`. The watching
   * gateway carries it out after its next listing. @throws NOT_FOUND if nothing is held there,
   * LOG_UNAVAILABLE
   */
  confirmDeletions(folder: string, missing: number): Promise<void>;
  /** @throws MESSAGE_TOO_NEW */
  assertReadable(): void;
  /** Aborts running reads and ingests nothing more. Idempotent. */
  close(): Promise<void>;
}

/**
 * Watches a store for files. Every poll lists all objects and compares them with the ingested ones, so that
 * no event can be missed and no clock is trusted. Of several gateways, the owner of the only partition of the
 * topic `drops` watches. A version is ingested once, even across crashes (memory.ts). Each table gets the
 * oldest versions of a listing first.
 */
export async function startDrops(options: DropsOptions): Promise<DropPoller> {
  const { log, clock, logger, contracts, metrics } = options;
  const memory = await openDropMemory({
    log,
    clock,
    fileOfKey(key) {
      const target = readDropKey(key, contracts);
      return target.kind === "file" ? fileOf(target.table, target.sourceFile) : undefined;
    },
    onUnreadable: reportUnreadable(logger, metrics.throughput),
  });
  let watch: DropWatch | undefined;
  let watching = Promise.resolve();
  const consumer = await log.consume(
    {
      group: GROUPS.drops,
      topics: [TOPICS.drops.name],
      onError: (error) =>
        logger.warn({ detail: messageOf(error) }, "cannot watch the drop store: the event log failed"),
    },
    (partition) => {
      watching = watching.then(async () => {
        watch = new DropWatch(options, memory, partition.signal, () => partition.confirm());
        await watch.run();
        watch = undefined;
      });
      return (records) => partition.ack(records.at(-1)!.offset + 1);
    },
  );
  const close = async (): Promise<void> => {
    await Promise.all([consumer.close(), watching]);
    await memory.close();
  };
  let closed: Promise<void> | undefined;
  return {
    trigger: (keys) => watch?.trigger(keys),
    state: () => ({ ...readState(memory.state), watching: watch !== undefined }),
    async confirmDeletions(folder, missing) {
      const held = readState(memory.state).held.find((one) => one.folder === folder);
      if (!held) throw new TributaryError("NOT_FOUND", `no deletions are held in '${folder}'`);
      if (held.missing > missing)
        throw new TributaryError("BAD_REQUEST", `missing: ${held.missing} objects are missing in '${folder}' now`);
      await memory.confirm(folder, missing);
      watch?.trigger();
    },
    assertReadable: () => memory.assertReadable(),
    close: () => (closed ??= close()),
  };
}
