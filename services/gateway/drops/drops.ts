import { messageOf } from "../../../lib/errors.ts";
import { GROUPS, TOPICS } from "../../../lib/messages/topics.ts";
import { openDropMemory } from "./memory.ts";
import { DropWatch, type DropsOptions } from "./watch.ts";

export interface DropPoller {
  /**
   * Checks the named objects, or all, now instead of at the next poll. Unknown names are harmless. Does
   * nothing on a gateway that does not own the watch: the owner finds the objects at its next poll.
   */
  trigger(keys?: readonly string[]): void;
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
  const { log, clock, logger } = options;
  const memory = await openDropMemory(log, clock, (err) =>
    logger.error({ err }, "drop or file event cannot be decoded, skipped"),
  );
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
        watch = new DropWatch(options, memory, partition.signal);
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
  return { trigger: (keys) => watch?.trigger(keys), close: () => (closed ??= close()) };
}
