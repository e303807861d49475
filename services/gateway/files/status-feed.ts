import type { EventLog, LogRecord } from "../../../lib/event-log/event-log.ts";
import { guardedTail, type GuardedTail, type OnUnreadable } from "../../../lib/event-log/guarded-tail.ts";
import { commitEvents, fileEvents, parseEvents, tableBlocks } from "../../../lib/messages/avro.ts";
import { removesTable, WHOLE_TABLE } from "../../../lib/messages/operation.ts";
import { TOPICS } from "../../../lib/messages/topics.ts";
import { withArrival, withEnding, withParseEvent, withRecount } from "./status.ts";
import type { FileView } from "./view.ts";
import { ownOf } from "../../../lib/own.ts";

/** Texts that repeat across events (table names, columns, dialects) are kept once in memory. */
const SHARED_TEXTS_MAX = 10_000;

/** Applies events of files, commits and blocks to the view, from the earliest kept record, until closed. */
export async function feedView(log: EventLog, view: FileView, onUnreadable: OnUnreadable): Promise<GuardedTail> {
  const texts = new Map<string, string>();
  const shared = <Text extends string | null>(text: Text): Text => {
    if (text === null) return text;
    const held = texts.get(text);
    if (held === undefined && texts.size < SHARED_TEXTS_MAX) texts.set(text, text);
    return (held ?? text) as Text;
  };

  const readers: Record<string, (record: LogRecord) => void> = {
    [TOPICS.fileEvents.name]: ({ value, offset }) => {
      const event = fileEvents.decode(value);
      if (removesTable(event)) view.noteDrop(event.table, offset);
      view.apply(event.fileId, (facts) => withArrival(facts, { ...event, table: shared(event.table) }, offset));
    },
    [TOPICS.parseEvents.name]: ({ value }) => {
      const event = parseEvents.decode(value);
      const texts = {
        table: shared(event.table),
        dialectJson: shared(event.dialectJson),
        columnsJson: shared(event.columnsJson),
      };
      view.apply(event.fileId, (facts) => withParseEvent(facts, { ...event, ...texts }));
    },
    [TOPICS.tableBlocks.name]: ({ value }) => view.noteBlock(tableBlocks.decode(value)),
    [TOPICS.commits.name]: ({ value }) => {
      const { files, held = [], commitId, snapshotId, committedAtMs, commitMs, ...event } = commitEvents.decode(value);
      const [table, strategy] = [shared(event.table), shared(event.strategy)];
      const commit = { commitId, table, snapshotId, committedAtMs, commitMs, strategy };
      // A micro-batch of failed files alone changed nothing: the table is as stale as before.
      if (files.some(({ status }) => status === "committed")) view.noteCommit(table, committedAtMs);
      const reasons = new Map(held.map(({ fileId, reasonsJson }) => [fileId, reasonsJson]));
      for (const outcome of files) {
        // Of its own file the event of a rebuild tells the end, of the others what it made of them.
        if (strategy === "rebuild" && outcome.sourceFile !== WHOLE_TABLE) {
          view.apply(outcome.fileId, (facts) => withRecount(facts, outcome, committedAtMs));
          continue;
        }
        const ended = { ...outcome, encoding: shared(outcome.encoding) };
        const heldReasonsJson = outcome.errorCode === "FILE_HELD" ? (reasons.get(outcome.fileId) ?? "[]") : undefined;
        view.apply(outcome.fileId, (facts) => withEnding(facts, commit, ended, heldReasonsJson));
      }
    },
  };

  return guardedTail(log, Object.keys(readers), (record) => ownOf(readers, record.topic)!(record), onUnreadable);
}
