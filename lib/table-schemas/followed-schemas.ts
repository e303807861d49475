import type { EventLog, LogRecord, Tail } from "../event-log/event-log.ts";
import { TOPICS } from "../messages/topics.ts";
import {
  foldTableSchema,
  newerSchema,
  schemaRecord,
  type NewestSchemas,
  type PublishedSchema,
} from "./table-schemas.ts";

/** The newest published schema of every table, kept current. */
export class FollowedSchemas {
  readonly #log: EventLog;
  readonly #schemas: NewestSchemas;
  readonly #tail: Tail;

  private constructor(log: EventLog, schemas: NewestSchemas, tail: Tail) {
    this.#log = log;
    this.#schemas = schemas;
    this.#tail = tail;
  }

  /** Reads all schemas before it resolves. `onUndecodable` is told of each record that is skipped. */
  static async follow(
    log: EventLog,
    onUndecodable: (thrown: unknown, record: LogRecord) => void,
  ): Promise<FollowedSchemas> {
    const schemas: NewestSchemas = new Map();
    const tail = await log.tail([TOPICS.tableSchemas.name], (record) => {
      try {
        foldTableSchema(schemas, record);
      } catch (thrown) {
        onUndecodable(thrown, record);
      }
    });
    return new FollowedSchemas(log, schemas, tail);
  }

  /** The table's schema after everything published before the call; undefined if none is published. */
  async of(table: string): Promise<PublishedSchema | undefined> {
    await this.#tail.caughtUp();
    return this.#schemas.get(table);
  }

  /** As `of`, but what was published just now may be missing. */
  known(table: string): PublishedSchema | undefined {
    return this.#schemas.get(table);
  }

  /** @throws LOG_RECORD_TOO_LARGE for very many columns */
  async publish(table: string, schema: PublishedSchema): Promise<void> {
    await this.#log.publish(TOPICS.tableSchemas.name, [schemaRecord(table, schema)]);
    this.#schemas.set(table, newerSchema(this.#schemas.get(table), schema));
  }

  close(): Promise<void> {
    return this.#tail.close();
  }
}
