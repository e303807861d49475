import { readFileSync } from "node:fs";
import avsc from "avsc";
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

/** Turns one kind of message into bytes and back. Decoding bytes that are not of this schema throws. */
export interface Codec<T> {
  encode(value: T): Buffer;
  decode(bytes: Buffer): T;
}

/** Fields are only ever added at the end of a message, with a default: a record written before lacks the last ones. */
function codec<T>(file: string): Codec<T> {
  const schema = JSON.parse(
    readFileSync(new URL(`../../schemas/${file}.avsc`, import.meta.url), "utf8"),
  ) as avsc.schema.RecordType;
  const typeOf = (fields: avsc.schema.RecordType["fields"]): avsc.Type =>
    avsc.Type.forSchema({ ...schema, fields }, { wrapUnions: "auto" });
  const type = typeOf(schema.fields);
  const resolvers: avsc.Resolver[] = [];
  for (let count = schema.fields.length; "default" in (schema.fields[count - 1] ?? {}); count--) {
    resolvers.push(type.createResolver(typeOf(schema.fields.slice(0, count - 1))));
  }
  const decodeOlder = (bytes: Buffer, thrown: unknown): T => {
    for (const resolver of resolvers) {
      try {
        return type.fromBuffer(bytes, resolver) as T;
      } catch {
        // Perhaps it is older still.
      }
    }
    throw thrown;
  };
  return {
    encode: (value) => type.toBuffer(value),
    decode: (bytes) => {
      try {
        return type.fromBuffer(bytes) as T;
      } catch (thrown) {
        return decodeOlder(bytes, thrown);
      }
    },
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
