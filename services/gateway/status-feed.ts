import type { EventLog, LogRecord, Tail } from "../../lib/event-log/event-log.ts";
import { commitEvents, fileEvents, parseEvents } from "../../lib/events/avro.ts";
import { TOPICS } from "../../lib/events/topics.ts";
import { withArrival, withEnding, withParseEvent } from "./file-status.ts";
import type { FileView } from "./file-view.ts";

/** Texts that repeat from event to event (a table's columns, its dialect) are held once. */
const SHARED_TEXTS_MAX = 10_000;

/** Keeps the view up with the log: file-events, parse-events and commits, from the earliest record kept and then for ever. */
export async function feedView(
  log: EventLog,
  view: FileView,
  options: {
    onError: (thrown: unknown, record: LogRecord) => void;
    onCommit?: (commit: { committedAtMs: number }, latenciesMs: number[]) => void;
  },
): Promise<Tail> {
  const texts = new Map<string, string>();
  const shared = (text: string | null): string | null => {
    if (text === null) return null;
    const held = texts.get(text);
    if (held === undefined && texts.size < SHARED_TEXTS_MAX) texts.set(text, text);
    return held ?? text;
  };

  const readers: Record<string, (record: LogRecord) => void> = {
    [TOPICS.fileEvents.name]: ({ value, offset }) => {
      const event = fileEvents.decode(value);
      event.dialectJson = shared(event.dialectJson);
      view.apply(event.fileId, (facts) => withArrival(facts, event, offset));
    },
    [TOPICS.parseEvents.name]: ({ value }) => {
      const event = parseEvents.decode(value);
      event.dialectJson = shared(event.dialectJson);
      event.columnsJson = shared(event.columnsJson);
      view.apply(event.fileId, (facts) => withParseEvent(facts, event));
    },
    [TOPICS.commits.name]: ({ value }) => {
      const { files, ...commit } = commitEvents.decode(value);
      view.noteCommit(commit.table, commit.committedAtMs);
      for (const outcome of files) view.apply(outcome.fileId, (facts) => withEnding(facts, { commit, outcome }));
      options.onCommit?.(
        commit,
        files
          .filter(({ status }) => status === "committed")
          .map(({ receivedAtMs }) => Math.max(0, commit.committedAtMs - receivedAtMs)),
      );
    },
  };

  return log.tail(Object.keys(readers), (record) => {
    try {
      readers[record.topic]!(record);
    } catch (error) {
      options.onError(error, record);
    }
  });
}
