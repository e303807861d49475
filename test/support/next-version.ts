import * as codecs from "../../lib/messages/avro.ts";
import type { EventLog, NewRecord } from "../../lib/event-log/event-log.ts";
import { TOPICS } from "../../lib/messages/topics.ts";
import { messageSchemas } from "./avro-values.ts";

const SCHEMAS = messageSchemas();

/** Rewrites messages as a next version writes them: with one more field at the end, which is set. */
function rewriter(name: string, present: codecs.Codec<unknown>): (value: Buffer) => Buffer {
  const schema = SCHEMAS.get(name)!;
  const added = { name: "addedByTheNextVersion", type: ["null", "string"], default: null };
  const next = codecs.codecOf<unknown>(name, {
    ...schema,
    fields: [...schema.fields, added],
  });
  return (value) => next.encode({ ...(present.decode(value) as object), addedByTheNextVersion: "new" });
}

const rows = rewriter("row-message", codecs.rowMessages);
const REWRITERS = new Map([
  [TOPICS.fileEvents.name, rewriter("file-event", codecs.fileEvents)],
  [TOPICS.tableSchemas.name, rewriter("table-schema-event", codecs.tableSchemas)],
  [TOPICS.parseEvents.name, rewriter("parse-event", codecs.parseEvents)],
  [TOPICS.commits.name, rewriter("commit-event", codecs.commitEvents)],
  [TOPICS.commands.name, rewriter("command", codecs.commands)],
  [TOPICS.commandResults.name, rewriter("command-result", codecs.commandResults)],
  [TOPICS.deadLetters.name, rewriter("dead-letter", codecs.deadLetters)],
  [TOPICS.drops.name, rewriter("drop-event", codecs.dropEvents)],
  [TOPICS.tableBlocks.name, rewriter("table-block", codecs.tableBlocks)],
  [TOPICS.fileSkips.name, rewriter("file-skip", codecs.fileSkips)],
  [TOPICS.logEpochs.name, rewriter("log-epoch", codecs.logEpochs)],
] as [string, (value: Buffer) => Buffer][]);

const newer = (topic: string, record: NewRecord): NewRecord =>
  record.value.length === 0 ? record : { ...record, value: (REWRITERS.get(topic) ?? rows)(record.value) };

/** The log as a service of the next version uses it: everything that it publishes has one more field. */
export function asNextVersion(log: EventLog): EventLog {
  return new Proxy(log, {
    get(object, name) {
      if (name === "publish") {
        return (topic: string, records: readonly NewRecord[]) =>
          object.publish(topic, records.map((record) => newer(topic, record))); // prettier-ignore
      }
      const member: unknown = Reflect.get(object, name);
      return typeof member === "function" ? (member.bind(object) as unknown) : member;
    },
  });
}
