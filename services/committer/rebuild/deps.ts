import type { BlobStore } from "../../../lib/blob/blob-store.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { ReadingDeps } from "../../../lib/rebuild/read.ts";
import type { FollowedSchemas } from "../../../lib/table-schemas/followed-schemas.ts";
import type { BatchLimits } from "../lane/micro-batch.ts";

/** What a rebuild needs besides the table's writer. */
export interface RebuildDeps extends ReadingDeps {
  log: EventLog;
  blob: BlobStore;
  clock: Clock;
  schemas: Pick<FollowedSchemas, "known">;
  logger: Logger;
  batch: Pick<BatchLimits, "rowsMax" | "bytesMax" | "filesMax">;
}
