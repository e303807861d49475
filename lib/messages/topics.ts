/** Every topic: its name, key, retention and partitions. infra/redpanda/topics.yml says the same (test/tidy.test.ts holds both together). */
export interface TopicSpec {
  name: string;
  partitions: number;
  /** `compact` keeps the newest record of each key for ever; otherwise records older than `retentionMs` may go. */
  cleanup: "delete" | "compact";
  retentionMs?: number;
  retentionBytes?: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const DEFAULT_PARTITIONS = 8;

/** Partitions may never be changed once events exist: a table's file events must stay in one partition. */
export const TOPICS = {
  fileEvents: { name: "file-events", partitions: DEFAULT_PARTITIONS, cleanup: "delete", retentionMs: 30 * DAY_MS },
  tableSchemas: { name: "table-schemas", partitions: 1, cleanup: "compact" },
  parseEvents: { name: "parse-events", partitions: 1, cleanup: "delete", retentionMs: 7 * DAY_MS },
  commits: { name: "commits", partitions: 1, cleanup: "delete", retentionMs: 30 * DAY_MS },
  commands: { name: "commands", partitions: DEFAULT_PARTITIONS, cleanup: "delete", retentionMs: 7 * DAY_MS },
  commandResults: { name: "command-results", partitions: 1, cleanup: "delete", retentionMs: 30 * DAY_MS },
  deadLetters: { name: "dead-letters", partitions: 1, cleanup: "delete", retentionMs: 30 * DAY_MS },
  drops: { name: "drops", partitions: 1, cleanup: "compact" },
  logEpochs: { name: "log-epochs", partitions: 1, cleanup: "compact" },
} as const satisfies Record<string, TopicSpec>;

export const ROWS_PREFIX = "rows.";

/** The topic of one table's rows: one partition, since a table has one writer. */
export function rowsTopic(table: string): TopicSpec {
  return { name: ROWS_PREFIX + table, partitions: 1, cleanup: "delete", retentionMs: 7 * DAY_MS };
}

/** The pattern a committer subscribes to. */
export const ROWS_TOPICS = /^rows\.[a-z0-9_]+$/;

/** The table of a rows topic. */
export const tableOfRowsTopic = (topic: string): string => topic.slice(ROWS_PREFIX.length);

/** Consumer groups. */
export const GROUPS = {
  parser: "tributary-parser",
  committer: "tributary-committer",
  scheduler: "tributary-scheduler",
  /** Of the gateways, the one that watches the drops. */
  drops: "tributary-drops",
} as const;
