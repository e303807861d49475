import type { Clock } from "../../../lib/clock.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import type { CommitEvent, RowMessage } from "../../../lib/messages/generated.ts";
import type { Warehouse } from "../../../lib/warehouse/warehouse.ts";
import { publishCommit } from "./event-parts.ts";
import { commitEventOf } from "./outcome.ts";
import { outcomeOnRecord } from "./repeated.ts";
import type { Persist } from "../lane/retries.ts";
import { isAbsorbed } from "../lane/watermark.ts";

/** The timeout of the ledger's lookup, which is repeated until it succeeds. */
const LOOKUP_MS_MAX = 60_000;

interface AbsorbedDeps {
  log: EventLog;
  warehouse: Warehouse;
  clock: Clock;
  persist: Persist;
}

/**
 * Files that were on record when the writer opened, and whose messages come again. A predecessor that wrote
 * the records with the rows may have crashed before it published the commit event, so the outcomes on record
 * are published again before the messages are acked.
 */
export class AbsorbedFiles {
  readonly #deps: AbsorbedDeps;
  readonly #table: string;
  /** The watermark when the writer opened. */
  readonly #watermark: number | undefined;
  #fileIds = new Set<string>();
  #announced: Promise<void> = Promise.resolve();

  constructor(deps: AbsorbedDeps, table: string, watermark: number | undefined) {
    this.#deps = deps;
    this.#table = table;
    this.#watermark = watermark;
  }

  note({ fileId, sourceOffset, body }: RowMessage): void {
    if ("tributary.EndOfFile" in body && isAbsorbed(sourceOffset, this.#watermark)) this.#fileIds.add(fileId);
  }

  /** Resolves when the outcomes of all noted files are published. */
  announce(): Promise<void> {
    this.#announced = this.#announced.then(() => this.#publish());
    return this.#announced;
  }

  async #publish(): Promise<void> {
    if (this.#fileIds.size === 0) return;
    const { log, warehouse, clock, persist } = this.#deps;
    const noted = [...this.#fileIds];
    const found = await persist("lookup", () =>
      warehouse.reads.files.recorded(this.#table, noted, { timeoutMs: LOOKUP_MS_MAX }),
    );
    if (found.length > 0) {
      const made = commitEventOf(this.#table, found.map(outcomeOnRecord), []);
      const event: CommitEvent = { ...made, committedAtMs: clock.nowMs(), commitMs: 0, limit: "idle" };
      await publishCommit(log, persist, event);
    }
    for (const fileId of noted) this.#fileIds.delete(fileId);
  }
}
