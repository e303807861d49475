import type { ColumnDefinition, ColumnType } from "../../lib/columns.ts";
import type { Dialect } from "../../lib/formats/csv/dialect.ts";
import type { EventLog } from "../../lib/event-log/event-log.ts";
import { tableSchemas } from "../../lib/messages/avro.ts";
import { TOPICS } from "../../lib/messages/topics.ts";

/** What files so far have made of a table. */
export interface TableSchema {
  columns: ColumnDefinition[];
  /** The dialect of the table's first file. */
  dialect: Dialect;
}

/** A view of the newest schema of every table, as all parsers published them. */
export class TableSchemas {
  readonly #log: EventLog;
  readonly #byTable = new Map<string, TableSchema & { sourceOffset: number }>();
  #caughtUp: () => Promise<void> = () => Promise.resolve();
  #close: () => Promise<void> = () => Promise.resolve();

  private constructor(log: EventLog) {
    this.#log = log;
  }

  static async follow(log: EventLog): Promise<TableSchemas> {
    const schemas = new TableSchemas(log);
    const tail = await log.tail([TOPICS.tableSchemas.name], ({ key, value }) => {
      if (key !== null && value.length === 0) schemas.#byTable.delete(key);
      else if (value.length > 0) schemas.#take(value);
    });
    schemas.#caughtUp = () => tail.caughtUp();
    schemas.#close = () => tail.close();
    return schemas;
  }

  /** The table's schema after everything published before the call, by whomever; undefined for a new table. */
  async of(table: string): Promise<TableSchema | undefined> {
    await this.#caughtUp();
    return this.#byTable.get(table);
  }

  async publish(table: string, sourceOffset: number, { columns, dialect }: TableSchema): Promise<void> {
    const value = tableSchemas.encode({ table, sourceOffset, columns, dialectJson: JSON.stringify(dialect) });
    await this.#log.publish(TOPICS.tableSchemas.name, [{ key: table, value }]);
  }

  close(): Promise<void> {
    return this.#close();
  }

  #take(value: Buffer): void {
    const { table, sourceOffset, columns, dialectJson } = tableSchemas.decode(value);
    // A parser that lost its partition may still have its word; what a newer file has made of the table stands.
    if (sourceOffset < (this.#byTable.get(table)?.sourceOffset ?? -1)) return;
    this.#byTable.set(table, {
      sourceOffset,
      columns: columns.map(({ name, type, header }) => ({ name, type: type as ColumnType, header })),
      dialect: JSON.parse(dialectJson) as Dialect,
    });
  }
}
