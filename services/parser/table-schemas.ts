import { keyOf, tableId } from "../../lib/tables.ts";
import { pinnedFields } from "../../lib/formats/message-fields.ts";
import type { EventLog, Tail } from "../../lib/event-log/event-log.ts";
import { tableSchemas } from "../../lib/messages/avro.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { foldTableSchema, type NewestSchemas, type TableSchema } from "../../lib/parsing/table-schemas.ts";

/** The newest schema of every table, as published by all parsers. */
export class TableSchemas {
  readonly #log: EventLog;
  readonly #schemas: NewestSchemas;
  readonly #tail: Tail;

  private constructor(log: EventLog, schemas: NewestSchemas, tail: Tail) {
    this.#log = log;
    this.#schemas = schemas;
    this.#tail = tail;
  }

  static async follow(log: EventLog): Promise<TableSchemas> {
    const schemas: NewestSchemas = new Map();
    const tail = await log.tail([TOPICS.tableSchemas.name], (record) => foldTableSchema(schemas, record));
    return new TableSchemas(log, schemas, tail);
  }

  /** The table's schema after everything published before the call; undefined for a new table. */
  async of(table: string): Promise<TableSchema | undefined> {
    await this.#tail.caughtUp();
    return this.#schemas.get(table);
  }

  async publish(table: string, sourceOffset: number, { columns, pinned }: TableSchema): Promise<void> {
    const value = tableSchemas.encode({ table, sourceOffset, columns, ...pinnedFields(pinned) });
    await this.#log.publish(TOPICS.tableSchemas.name, [{ key: keyOf(tableId(table)), value }]);
  }

  close(): Promise<void> {
    return this.#tail.close();
  }
}
