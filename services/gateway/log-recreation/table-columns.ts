import { sameColumns } from "../../../lib/columns.ts";
import type { EventLog } from "../../../lib/event-log/event-log.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { schemaRecord, type PublishedSchema } from "../../../lib/table-schemas/table-schemas.ts";
import type { Warehouse } from "../../../lib/warehouse/warehouse.ts";

const CONCURRENT_LOOKUPS_MAX = 8;

export interface TableColumnsDeps {
  log: EventLog;
  warehouse: Pick<Warehouse, "describe">;
  schemas: ReadonlyMap<string, PublishedSchema>;
}

/**
 * Publishes the columns of tables as the warehouse has them, unless they are published. Committers do so too,
 * but for a table whose topic is lost only after its next file is parsed, which must know them.
 */
export async function publishColumns(
  { log, warehouse, schemas }: TableColumnsDeps,
  watermarks: ReadonlyMap<string, number>,
): Promise<void> {
  const tables = [...watermarks];
  for (let start = 0; start < tables.length; start += CONCURRENT_LOOKUPS_MAX) {
    const found = await Promise.all(
      tables.slice(start, start + CONCURRENT_LOOKUPS_MAX).map(async ([table, sourceOffset]) => {
        const columns = (await warehouse.describe(table))?.columns ?? [];
        const published = schemas.get(table);
        if (sameColumns(published?.columns ?? [], columns)) return [];
        const pinned = columns.length > 0 ? published?.pinned : undefined;
        return [schemaRecord(table, { sourceOffset, columns, pinned })];
      }),
    );
    const records = found.flat();
    if (records.length > 0) await log.publish(TOPICS.tableSchemas.name, records);
  }
}
