import type { ColumnDefinition, ColumnType } from "../../../lib/columns.ts";
import type { Dialect } from "../../../lib/formats/csv/dialect.ts";
import type { EventLog, LogRecord, Tail } from "../../../lib/event-log/event-log.ts";
import { tableSchemas } from "../../../lib/messages/avro.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";

/** What the files so far have made of a table. */
export interface TableShape {
  columns: ColumnDefinition[];
  /** Of the table's first file. */
  dialect: Dialect;
}

/** Keeps the newest shape of every table, as the parsers publish them, in the map given. */
export function followShapes(
  log: EventLog,
  shapes: Map<string, TableShape>,
  onError: (thrown: unknown, record: LogRecord) => void,
): Promise<Tail> {
  return log.tail([TOPICS.tableSchemas.name], (record) => {
    try {
      if (record.value.length > 0) take(record.value);
      else if (record.key !== null) shapes.delete(record.key);
    } catch (error) {
      onError(error, record);
    }
  });

  function take(value: Buffer): void {
    const { table, columns, dialectJson } = tableSchemas.decode(value);
    shapes.set(table, {
      columns: columns.map((column) => ({ ...column, type: column.type as ColumnType })),
      dialect: JSON.parse(dialectJson) as Dialect,
    });
  }
}
