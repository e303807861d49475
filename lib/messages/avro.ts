import { readFileSync } from "node:fs";
import avsc from "avsc";
import { messageOf, TributaryError } from "../errors.ts";
import { firstLayout, hasLayouts } from "./layouts.ts";
import { extentOf, type Extent, type Schema } from "./wire.ts";
import type {
  Command,
  CommandResult,
  CommitEvent,
  DeadLetter,
  DropEvent,
  FileEvent,
  FileSkip,
  LogEpoch,
  ParseEvent,
  RowMessage,
  TableBlock,
  TableSchemaEvent,
} from "./generated.ts";

/** Converts one kind of message to bytes and back. */
export interface Codec<T> {
  encode(value: T): Buffer;
  /**
   * @throws MESSAGE_TOO_NEW if a newer version wrote the bytes in a format of its own: they must not be
   *   skipped; Error if they are not a message of this schema
   */
  decode(bytes: Buffer): T;
}

/**
 * Versions may be mixed. A new version only appends fields with a default to a message:
 * - An older record lacks the last fields: they get their defaults.
 * - A newer record has bytes after the last known field: they are ignored.
 * A version that has to change more begins its records with INCOMPATIBLE. Older ones then stop instead of
 * taking the record for a damaged one.
 *
 * Exception: some records of before this rule lack fields inside nested records (`"layout": 2`).
 */
export function codecOf<T>(name: string, schema: RecordSchema, needsFormat2?: (value: T) => boolean): Codec<T> {
  const type = typeOf(schema);
  const [whole, changed] = [
    readerOf(schema, type, ({ fields, surplusBytes }) => fields === schema.fields.length && surplusBytes === 0),
    readerOf(schema, type, () => true),
  ];
  const readers = hasLayouts(schema)
    ? [whole, readerOf(firstLayout(schema) as RecordSchema, type, ({ surplusBytes }) => surplusBytes === 0), changed]
    : [changed];
  return {
    encode: (value) => (needsFormat2?.(value) ? Buffer.concat([FORMAT_2, type.toBuffer(value)]) : type.toBuffer(value)),
    decode(given) {
      let bytes = given;
      if (bytes.subarray(0, INCOMPATIBLE.length).equals(INCOMPATIBLE)) {
        const format = bytes[INCOMPATIBLE.length] ?? "unknown";
        const known = needsFormat2 ? 2 : 1;
        if (known === 1 || format !== known)
          throw new TributaryError(
            "MESSAGE_TOO_NEW",
            `a ${name} has format ${format}; this version reads up to ${known}`,
          );
        bytes = bytes.subarray(FORMAT_2.length);
      }
      let last: unknown;
      for (const read of readers) {
        try {
          return read(bytes) as T;
        } catch (thrown) {
          last = thrown;
        }
      }
      throw new Error(`message is not a valid ${name}: ${messageOf(last)}`, { cause: last });
    },
  };
}

/**
 * First bytes of a record that only newer versions can read; the number of its format follows. No compatible
 * message begins with them, because 01 would be a string of length -1.
 */
export const INCOMPATIBLE = Buffer.from([0x01, ...Buffer.from("TRB")]);

/** The schema is that of format 1, but a version that does not know the message's meaning must stop. */
const FORMAT_2 = Buffer.from([...INCOMPATIBLE, 2]);

export type RecordSchema = avsc.schema.RecordType & Extract<Schema, { type: string }>;

const typeOf = (schema: RecordSchema): avsc.Type => avsc.Type.forSchema(schema, { wrapUnions: "auto" });

/** Reads messages written with `written`, of extents that are `accepted`, into values of the type `into`. */
function readerOf(
  written: RecordSchema,
  into: avsc.Type,
  accepted: (extent: Extent) => boolean,
): (bytes: Buffer) => unknown {
  const { fields } = written;
  const extentIn = extentOf(written);
  const required = fields.findLastIndex((field) => !("default" in field)) + 1;
  /** By the number of fields left out. */
  const resolvers = Array.from({ length: fields.length - required + 1 }, (_, left) => {
    const kept = { ...written, fields: fields.slice(0, fields.length - left) } as RecordSchema;
    return into.createResolver(typeOf(kept));
  });
  return (bytes) => {
    const extent = extentIn(bytes);
    if (extent.fields < required) throw new Error(`it ends after ${extent.fields} of ${required} fields`);
    if (!accepted(extent)) throw new Error(`${extent.surplusBytes} bytes follow the value`);
    return into.fromBuffer(bytes, resolvers[fields.length - extent.fields], true) as unknown;
  };
}

const schemaOf = (file: string): RecordSchema =>
  JSON.parse(readFileSync(new URL(`../../schemas/${file}.avsc`, import.meta.url), "utf8")) as RecordSchema;
const codec = <T>(file: string, needsFormat2?: (value: T) => boolean): Codec<T> =>
  codecOf<T>(file, schemaOf(file), needsFormat2);

export const fileEvents = codec<FileEvent>("file-event");
export const rowMessages = codec<RowMessage>("row-message", ({ loadPlan }) => Boolean(loadPlan));
export const tableSchemas = codec<TableSchemaEvent>("table-schema-event");
export const parseEvents = codec<ParseEvent>("parse-event");
export const commitEvents = codec<CommitEvent>("commit-event");
export const commands = codec<Command>("command");
export const commandResults = codec<CommandResult>("command-result");
export const deadLetters = codec<DeadLetter>("dead-letter");
export const dropEvents = codec<DropEvent>("drop-event");
export const tableBlocks = codec<TableBlock>("table-block");
export const fileSkips = codec<FileSkip>("file-skip");
export const logEpochs = codec<LogEpoch>("log-epoch");
