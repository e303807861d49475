import { readFileSync } from "node:fs";
import avsc from "avsc";
import { messageOf } from "../errors.ts";
import { firstLayout, layoutCheck } from "./layouts.ts";
import { checkerOf, type Schema } from "./wire.ts";
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

/**
 * Converts one kind of message to bytes and back. `decode` throws at once for bytes that are not of this
 * schema.
 */
export interface Codec<T> {
  encode(value: T): Buffer;
  decode(bytes: Buffer): T;
}

/**
 * Messages change in two ways, and older records stay readable:
 * - Fields are added at the end of a message with a default; a record written before lacks the last ones.
 * - Fields inside nested records are added with a default and `"layout": 2`. A value whose layout-2 fields
 *   all have their defaults is written without them, so that older versions can read it too.
 */
function codec<T>(file: string): Codec<T> {
  const schema = JSON.parse(
    readFileSync(new URL(`../../schemas/${file}.avsc`, import.meta.url), "utf8"),
  ) as RecordSchema;
  const type = typeOf(schema);
  const oldSchema = firstLayout(schema) as RecordSchema;
  const oldType = typeOf(oldSchema);
  const fitsOld = layoutCheck(schema);
  const layouts = fitsOld ? [oldSchema, schema] : [schema];
  const decoders = [
    ...layouts.map((written) => decoder(written, type)),
    ...layouts.flatMap((written) => truncated(written).map((shorter) => decoder(shorter, type))),
  ];
  return {
    encode: (value) => (fitsOld?.(value) ? oldType : type).toBuffer(value),
    decode(bytes) {
      let first: unknown;
      for (const decode of decoders) {
        try {
          return decode(bytes) as T;
        } catch (thrown) {
          first ??= thrown;
        }
      }
      throw new Error(`message is not a valid ${file}: ${messageOf(first)}`, { cause: first });
    },
  };
}

type RecordSchema = avsc.schema.RecordType & Extract<Schema, { type: string }>;

const typeOf = (schema: RecordSchema): avsc.Type => avsc.Type.forSchema(schema, { wrapUnions: "auto" });

/** The schema without 1, 2 … of its last fields, as far as they have defaults. */
function truncated(schema: RecordSchema): RecordSchema[] {
  const shorter: RecordSchema[] = [];
  for (let count = schema.fields.length; "default" in (schema.fields[count - 1] ?? {}); count--) {
    shorter.push({ ...schema, fields: schema.fields.slice(0, count - 1) } as RecordSchema);
  }
  return shorter;
}

/** Reads messages written with `written` into values of `type`. */
function decoder(written: RecordSchema, type: avsc.Type): (bytes: Buffer) => unknown {
  const resolver = type.createResolver(typeOf(written));
  const check = checkerOf(written);
  return (bytes) => {
    check(bytes);
    return type.fromBuffer(bytes, resolver) as unknown;
  };
}

export const fileEvents = codec<FileEvent>("file-event");
export const rowMessages = codec<RowMessage>("row-message");
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
