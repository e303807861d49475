import { ROWS_TOPICS, tableId, topicOf } from "../tables.ts";

/**
 * A topic's name, retention and number of partitions. infra/redpanda/topics.yml repeats the fixed topics
 * (test/tidy.test.ts compares them).
 */
export interface TopicSpec {
  name: string;
  partitions: number;
  /**
   * `compact` keeps the newest record of each key forever; `delete` may delete records older than
   * `retentionMs`.
   */
  cleanup: "delete" | "compact";
  retentionMs?: number;
  retentionBytes?: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const COMMAND_PARTITIONS = 8;

/**
 * All file events of a table must stay in one partition, so a log keeps the number of partitions that it was
 * created with: TRIBUTARY_LOG_PARTITIONS of `file-events`, and 8 in logs of versions before that setting.
 */
export const TOPICS = {
  fileEvents: { name: "file-events", partitions: 64, cleanup: "delete", retentionMs: 30 * DAY_MS },
  tableSchemas: { name: "table-schemas", partitions: 1, cleanup: "compact" },
  parseEvents: { name: "parse-events", partitions: 1, cleanup: "delete", retentionMs: 7 * DAY_MS },
  commits: { name: "commits", partitions: 1, cleanup: "delete", retentionMs: 30 * DAY_MS },
  commands: { name: "commands", partitions: COMMAND_PARTITIONS, cleanup: "delete", retentionMs: 7 * DAY_MS },
  commandResults: { name: "command-results", partitions: 1, cleanup: "delete", retentionMs: 30 * DAY_MS },
  deadLetters: { name: "dead-letters", partitions: 1, cleanup: "delete", retentionMs: 30 * DAY_MS },
  drops: { name: "drops", partitions: 1, cleanup: "compact" },
  tableBlocks: { name: "table-blocks", partitions: 1, cleanup: "compact" },
  fileSkips: { name: "file-skips", partitions: 1, cleanup: "delete", retentionMs: 30 * DAY_MS },
  logEpochs: { name: "log-epochs", partitions: 1, cleanup: "compact" },
} as const satisfies Record<string, TopicSpec>;

/** The topic of one table's rows. It has one partition because a table has one writer. */
export function rowsTopic(table: string): TopicSpec {
  return { name: topicOf(tableId(table)), partitions: 1, cleanup: "delete", retentionMs: 7 * DAY_MS };
}

/**
 * The groups that must have read a topic's records before its retention may remove them. On Kafka retention
 * knows no readers: there the committer finds out afterwards.
 */
export function readersOf(topic: string): readonly string[] {
  if (topic === TOPICS.fileEvents.name) return [GROUPS.parser];
  return ROWS_TOPICS.test(topic) ? [GROUPS.committer] : [];
}

/** Consumer groups by role. */
export const GROUPS = {
  parser: "tributary-parser",
  committer: "tributary-committer",
  scheduler: "tributary-scheduler",
  /** Elects the one gateway that watches the drop bucket. */
  drops: "tributary-drops",
} as const;
