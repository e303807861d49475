import { readFileSync } from "node:fs";
import avsc from "avsc";
import { messageOf } from "../errors.ts";
import { checkerOf, type Schema } from "./wire.ts";
import type {
  Command,
  CommandResult,
  CommitEvent,
  DeadLetter,
  DropEvent,
  FileEvent,
  LogEpoch,
  ParseEvent,
  RowMessage,
  TableSchemaEvent,
} from "./generated.ts";

/** Encodes and decodes one kind of message. Decoding throws if the bytes do not match the schema. */
export interface Codec<T> {
  encode(value: T): Buffer;
  decode(bytes: Buffer): T;
}

/**
 * Fields are only added at the end of a message, with a default. Records of older versions lack the last
 * fields.
 */
function codec<T>(file: string): Codec<T> {
  const schema = JSON.parse(
    readFileSync(new URL(`../../schemas/${file}.avsc`, import.meta.url), "utf8"),
  ) as RecordSchema;
  const type = typeOf(schema);
  const decoders = [decoder(schema, type)];
  for (let count = schema.fields.length; "default" in (schema.fields[count - 1] ?? {}); count--) {
    decoders.push(decoder(schema, type, count - 1));
  }
  return {
    encode: (value) => type.toBuffer(value),
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

/** Decodes messages that were written with only the first `fieldCount` fields of the schema. */
function decoder(schema: RecordSchema, type: avsc.Type, fieldCount = schema.fields.length): (bytes: Buffer) => unknown {
  const isCurrent = fieldCount === schema.fields.length;
  const written = isCurrent ? schema : ({ ...schema, fields: schema.fields.slice(0, fieldCount) } as RecordSchema);
  const resolver = isCurrent ? undefined : type.createResolver(typeOf(written));
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
export const logEpochs = codec<LogEpoch>("log-epoch");
