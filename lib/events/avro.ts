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

/** Turns one kind of message into bytes and back. Decoding bytes that are not of this schema throws at once, whatever they promise. */
export interface Codec<T> {
  encode(value: T): Buffer;
  decode(bytes: Buffer): T;
}

function codec<T>(file: string): Codec<T> {
  const schema = JSON.parse(readFileSync(new URL(`../../schemas/${file}.avsc`, import.meta.url), "utf8")) as Schema;
  const type = avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: "auto" });
  const check = checkerOf(schema);
  return {
    encode: (value) => type.toBuffer(value),
    decode(bytes) {
      try {
        check(bytes);
        return type.fromBuffer(bytes) as T;
      } catch (cause) {
        throw new Error(`message: no ${file}: ${messageOf(cause)}`, { cause });
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
