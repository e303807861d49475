import { uuidv7 } from "uuidv7";
import { keyOf, tableId } from "../../../lib/tables.ts";
import { fileEvents } from "../../../lib/messages/avro.ts";
import type { FileEvent } from "../../../lib/messages/generated.ts";
import { operationJsonOf, type TableOperation } from "../../../lib/messages/operation.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import type { GatewayDeps } from "../http/deps.ts";

/** The place of an operation in the order of file events. */
export interface Published {
  fileId: string;
  offset: number;
}

/** Publishes an operation on a table as a file event, so that it has a place among the table's files. */
export async function publishOperation(
  { log, clock, metrics }: Pick<GatewayDeps, "log" | "clock" | "metrics">,
  { table, sourceFile }: { table: string; sourceFile: string },
  operation: TableOperation,
): Promise<Published> {
  const event: FileEvent = {
    ...{ fileId: uuidv7(), table, sourceFile, kind: "deleted", origin: "upload" },
    ...{ blobKey: "", sizeBytes: 0, contentHash: "", etag: null, receivedAtMs: clock.nowMs() },
    ...{ dialectJson: null, replayOf: null, versionOffset: null },
    operationJson: operationJsonOf(operation),
  };
  const record = { key: keyOf(tableId(table)), value: fileEvents.encode(event) };
  const [position] = await log.publish(TOPICS.fileEvents.name, [record]);
  metrics.throughput.sent("operation");
  return { fileId: event.fileId, offset: position!.offset };
}
