import { hasCode, type TributaryError } from "../errors.ts";
import type { EventLog, LogRecord } from "../event-log/event-log.ts";
import { guardedTail, type GuardedTail, type OnUnreadable } from "../event-log/guarded-tail.ts";
import { keyOf, tableId } from "../tables.ts";
import { TOPICS } from "../messages/topics.ts";
import {
  foldTableSchema,
  newerSchema,
  schemaRecord,
  type NewestSchemas,
  type PublishedSchema,
} from "./table-schemas.ts";

interface Followed {
  log: EventLog;
  schemas: NewestSchemas;
  tail: GuardedTail;
  tooNew: ReadonlyMap<string, TributaryError>;
}

/** The newest published schema of every table, kept current. */
export class FollowedSchemas {
  readonly #log: EventLog;
  readonly #schemas: NewestSchemas;
  readonly #tail: GuardedTail;
  /** By key of the table whose newest schema only a newer version can read. */
  readonly #tooNew: ReadonlyMap<string, TributaryError>;

  private constructor(followed: Followed) {
    this.#log = followed.log;
    this.#schemas = followed.schemas;
    this.#tail = followed.tail;
    this.#tooNew = followed.tooNew;
  }

  /** Follows the topic; `of` waits for what is there. `onUnreadable` learns of each skipped record. */
  static async follow(log: EventLog, onUnreadable: OnUnreadable): Promise<FollowedSchemas> {
    const schemas: NewestSchemas = new Map();
    const tooNew = new Map<string, TributaryError>();
    const onRecord = (record: LogRecord): void => {
      foldTableSchema(schemas, record);
      if (record.key !== null) tooNew.delete(record.key);
    };
    const onSkipped = (thrown: unknown, record: LogRecord): void => {
      if (hasCode(thrown, "MESSAGE_TOO_NEW") && record.key !== null) tooNew.set(record.key, thrown);
      onUnreadable(thrown, record);
    };
    const tail = await guardedTail(log, [TOPICS.tableSchemas.name], onRecord, onSkipped);
    return new FollowedSchemas({ log, schemas, tail, tooNew });
  }

  /**
   * The table's schema after everything published before the call; undefined if none is published.
   * @throws MESSAGE_TOO_NEW if only a newer version can read it
   */
  async of(table: string): Promise<PublishedSchema | undefined> {
    await this.#tail.caughtUp();
    const tooNew = this.#tooNew.get(keyOf(tableId(table)));
    if (tooNew) throw tooNew;
    return this.#schemas.get(table);
  }

  /** @throws MESSAGE_TOO_NEW if a record was skipped that only a newer version can read */
  assertReadable(): void {
    this.#tail.assertReadable();
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
