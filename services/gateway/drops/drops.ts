import { messageOf } from "../../../lib/errors.ts";
import { GROUPS, TOPICS } from "../../../lib/messages/topics.ts";
import { openDropMemory } from "./memory.ts";
import { DropWatch, type DropsOptions } from "./watch.ts";

export interface DropPoller {
  /**
   * Looks now, not at the next poll: at the named objects, or at all. For notifications; names that mean nothing are harmless. A
   * gateway that is not the one watching does nothing: that one will see them at its next poll.
   */
  trigger(keys?: readonly string[]): void;
  /** Lets go of what is being read, takes nothing more. Idempotent. */
  close(): Promise<void>;
}

/**
 * Watches a store for files. Every poll lists everything and compares with what was taken: no event can be missed and no clock is
 * trusted. Of several gateways the one that owns the only partition of the topic `drops` watches. A version is taken once, also
 * if a process dies in between (memory.ts); of the versions found by one listing, a table gets the oldest first.
 */
export async function startDrops(options: DropsOptions): Promise<DropPoller> {
  const { log, clock, logger } = options;
  const memory = await openDropMemory(log, clock, (err) =>
    logger.error({ err }, "an event of the drops cannot be read"),
  );
  let watch: DropWatch | undefined;
  let watching = Promise.resolve();
  const consumer = await log.consume(
    {
      group: GROUPS.drops,
      topics: [TOPICS.drops.name],
      onError: (error) => logger.warn({ detail: messageOf(error) }, "drops cannot be watched: the event log failed"),
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
