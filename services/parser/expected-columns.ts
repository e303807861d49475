import { hasCode } from "../../lib/errors.ts";
import type { EventLog } from "../../lib/event-log/event-log.ts";
import { pinnedBy } from "../../lib/formats/message-fields.ts";
import { rowMessages } from "../../lib/messages/avro.ts";
import type { EndOfFile } from "../../lib/messages/generated.ts";
import { removesTable } from "../../lib/messages/operation.ts";
import { GROUPS, rowsTopic } from "../../lib/messages/topics.ts";
import type { ColumnDefinition } from "../../lib/columns.ts";
import { UncommittedFiles } from "../../lib/table-schemas/expected-schema.ts";
import type { FollowedSchemas } from "../../lib/table-schemas/followed-schemas.ts";
import type { TableSchema } from "../../lib/table-schemas/table-schemas.ts";

/**
 * The columns that a file will find in its table: those that the committer published, and what the files
 * before it bring that are parsed but not committed. It lives as long as the assignment of the partition,
 * whose tables no other parser reads. What an earlier assignment parsed is read from the table's rows, once.
 */
export class ExpectedColumns {
  readonly #log: EventLog;
  readonly #schemas: FollowedSchemas;
  readonly #signal: AbortSignal;
  readonly #tables = new Map<string, UncommittedFiles>();

  constructor(log: EventLog, schemas: FollowedSchemas, signal: AbortSignal) {
    this.#log = log;
    this.#schemas = schemas;
    this.#signal = signal;
  }

  /**
   * The schema that the file at this offset will find; undefined for a new table. The table's topic exists.
   * @throws LOG_UNAVAILABLE
   */
  async at(table: string, sourceOffset: number): Promise<TableSchema | undefined> {
    const files = this.#tables.get(table) ?? (await this.#read(table));
    return files.expectedAt(sourceOffset, await this.#schemas.of(table));
  }

  /**
   * As `at` for a file whose turn has not come, from what is in memory: the files before it may still change
   * the answer. Undefined also if nothing is known of the table yet.
   */
  ahead(table: string, sourceOffset: number): TableSchema | undefined {
    return this.#tables.get(table)?.expectedAt(sourceOffset, this.#schemas.known(table));
  }

  /** Adds a file whose end-of-file is in the log. Call it in the order of offsets, after `at`. */
  add(table: string, sourceOffset: number, end: EndOfFile): void {
    const files = this.#tables.get(table);
    if (files) this.#add(files, { table, sourceOffset }, end);
  }

  /** Notes that the table is dropped at this offset. As `add`. */
  dropped(table: string, sourceOffset: number): void {
    this.#tables.get(table)?.drop(sourceOffset);
  }

  #add(files: UncommittedFiles, file: { table: string; sourceOffset: number }, end: EndOfFile): void {
    if (end.outcome !== "complete") return;
    const { rowsAccepted } = end;
    // The message schema only says string, but the parser writes types of lib/columns.ts.
    const columns = end.columns as ColumnDefinition[];
    const { table, sourceOffset } = file;
    files.add({ sourceOffset, columns, rowsAccepted, pinned: pinnedBy(end) }, this.#schemas.known(table));
  }

  /**
   * Reads the files that the committer has not acked. The position is asked for first: what is acked before
   * is published before, and `at` reads the published schema after this.
   */
  async #read(table: string): Promise<UncommittedFiles> {
    const files = new UncommittedFiles(table);
    const topic = rowsTopic(table).name;
    const [acked] = await this.#log.groupOffsets(GROUPS.committer, topic);
    const [kept] = await this.#log.offsets(topic);
    const from = Math.max(acked?.offset ?? 0, kept?.earliest ?? 0);
    await this.#schemas.of(table);
    if (kept && from < kept.next) {
      for await (const { value } of this.#log.read(topic, 0, from, kept.next)) {
        if (this.#signal.aborted) return files;
        const end = endIn(value);
        if (end?.drops) files.drop(end.sourceOffset);
        else if (end) this.#add(files, { table, sourceOffset: end.sourceOffset }, end.end);
      }
    }
    this.#tables.set(table, files);
    return files;
  }
}

/** @throws MESSAGE_TOO_NEW */
function endIn(value: Buffer): { sourceOffset: number; end: EndOfFile; drops: boolean } | undefined {
  try {
    const { sourceOffset, body, ...message } = rowMessages.decode(value);
    if (!("tributary.EndOfFile" in body)) return undefined;
    return { sourceOffset, end: body["tributary.EndOfFile"], drops: removesTable(message) };
  } catch (thrown) {
    if (hasCode(thrown, "MESSAGE_TOO_NEW")) throw thrown;
    // The committer skips it too.
    return undefined;
  }
}
