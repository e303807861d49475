/** The panels of "Ingestion Lag". */
import { END_TO_END, type Panel } from "./panel.ts";

/** Every scheduler measures the same lag: one of them counts. */
const LAG = "max by (group, topic, partition) (tributary_consumer_lag_messages)";
const AGE = "tributary_consumer_lag_seconds";
const TABLE_LAG = "max by (group, table) (tributary_table_lag_messages)";
const SLOW = "max by (table, file_id, step) (tributary_committer_slow_file_seconds)";
const STEPS = "tributary_committer_file_step_seconds";

/** Lag by its own speed. Where it does not fall, the answer is days. */
const eta = (lag: string, pace: string): string => `${lag} / clamp_min(-${pace}, 0.001)`;

export const INGESTION_LAG: readonly Panel[] = [
  {
    title: "Messages behind",
    about: "Messages that wait in all topics. A message is a file, or up to some thousand rows of one.",
    kind: "stat",
    unit: "short",
    width: 6,
    limits: [1_000, 10_000],
    queries: [[`sum(${LAG})`, "messages"]],
  },
  {
    title: "Seconds behind",
    about: "Age of the oldest message that waits.",
    kind: "stat",
    unit: "s",
    width: 6,
    limits: [60, 600],
    queries: [[`max(${AGE})`, "age"]],
  },
  {
    title: "Time to catch up (ETA)",
    about: "At the pace of the last five minutes. Days mean that lag is not falling.",
    kind: "stat",
    unit: "s",
    width: 6,
    limits: [300, 3_600],
    queries: [
      [
        eta(
          `sum by (group) (${LAG})`,
          "sum by (group) (max by (group, topic, partition) (deriv(tributary_consumer_lag_messages[5m])))",
        ),
        "{{group}}",
      ],
    ],
  },
  {
    title: "Files under way",
    about: "File versions that no parser has taken up to the end yet.",
    kind: "stat",
    unit: "short",
    width: 6,
    queries: [['sum(max by (partition) (tributary_consumer_lag_messages{topic="file-events"}))', "files"]],
  },
  {
    title: "Lag by group",
    about: "Messages published and not acked. It shows also when nobody reads. A gap: the log itself does not answer.",
    kind: "timeseries",
    unit: "short",
    width: 12,
    queries: [[`sum by (group) (${LAG})`, "{{group}}"]],
  },
  {
    title: "Seconds behind by group",
    about: "Age of the group's oldest message.",
    kind: "timeseries",
    unit: "s",
    width: 12,
    queries: [[`max by (group) (${AGE})`, "{{group}}"]],
  },
  {
    title: "Lag by topic",
    about: "The ten topics with most messages waiting.",
    kind: "timeseries",
    unit: "short",
    width: 12,
    queries: [[`topk(10, sum by (topic) (${LAG}))`, "{{topic}}"]],
  },
  {
    title: "Lag by table",
    about: "The ten tables furthest behind, in seconds: the oldest file or rows of each that wait.",
    kind: "timeseries",
    unit: "s",
    width: 12,
    queries: [["topk(10, max by (table) (tributary_table_lag_seconds))", "{{table}}"]],
  },
  {
    title: "Groups and tables now",
    about:
      "What waits for a parser (tributary-parser) and for the commit (tributary-committer), and when it will have caught up at the pace of the last five minutes.",
    kind: "table",
    unit: "short",
    width: 12,
    queries: [
      [`topk(50, ${TABLE_LAG})`, "Messages"],
      ["max by (group, table) (tributary_table_lag_seconds)", "Behind|s"],
      [eta(TABLE_LAG, "max by (group, table) (deriv(tributary_table_lag_messages[5m]))"), "Catch-up ETA|s"],
    ],
  },
  {
    title: "Catch-up ETA by table",
    about: "The ten tables that need longest to catch up, at the pace of the last five minutes.",
    kind: "timeseries",
    unit: "s",
    width: 12,
    queries: [
      [
        `topk(10, ${eta(TABLE_LAG, "max by (group, table) (deriv(tributary_table_lag_messages[5m]))")})`,
        "{{table}} {{group}}",
      ],
    ],
  },
  {
    title: "Where the time goes",
    about:
      "Mean seconds of a file, one step after the other: waiting for a parser, parse, queue for the commit, commit, record. The tallest part is what to speed up.",
    kind: "timeseries",
    unit: "s",
    width: 12,
    stacked: true,
    queries: [[`sum by (step) (rate(${STEPS}_sum[5m])) / sum by (step) (rate(${STEPS}_count[5m]))`, "{{step}}"]],
  },
  {
    title: "Commit waterfall of the slowest files",
    about: "The ten slowest files of the last 15 minutes, each by what its time went on.",
    kind: "bars",
    unit: "s",
    width: 12,
    bars: ["file_id", "step"],
    queries: [
      [
        `sum by (file_id, step) (${SLOW}) and on (file_id) topk(10, sum by (file_id) (${SLOW}))`,
        "{{file_id}} {{step}}",
      ],
    ],
  },
  {
    title: "Slowest files",
    about: "Of the last 15 minutes, from arrival to record. `tributary status <file_id>` tells name and history.",
    kind: "table",
    unit: "s",
    width: 12,
    queries: [[`topk(10, sum by (table, file_id) (${SLOW}))`, "Seconds"]],
  },
  { ...END_TO_END, width: 12 },
  {
    title: "Pace",
    about: "What each service hands on, a second.",
    kind: "timeseries",
    unit: "ops",
    width: 12,
    queries: [["sum by (component, kind) (rate(tributary_sent_total[5m]))", "{{component}} {{kind}}"]],
  },
  {
    title: "Why commits begin",
    about:
      "Micro-batches a minute by the limit that asked for them. `idle`: nothing else was waiting; rows, bytes, files, age: a setting's limit; many of those mean load.",
    kind: "timeseries",
    unit: "opm",
    width: 12,
    queries: [["sum by (limit) (rate(tributary_committer_commits_total[5m])) * 60", "{{limit}}"]],
  },
  {
    title: "Partitions",
    about: "Every partition's lag now.",
    kind: "table",
    unit: "short",
    width: 12,
    queries: [[LAG, "Messages"]],
  },
  {
    title: "As Redpanda sees it",
    about:
      "The newest offset less the committed one. Redpanda's own lag metric reads 0 while a group has no live member; this does not.",
    kind: "timeseries",
    unit: "short",
    width: 12,
    redpandaOnly: true,
    queries: [
      [
        "sum by (redpanda_group, redpanda_topic) (redpanda_kafka_consumer_group_committed_offset * 0 + on (redpanda_topic, redpanda_partition) group_left () max by (redpanda_topic, redpanda_partition) (redpanda_kafka_max_offset) - redpanda_kafka_consumer_group_committed_offset)",
        "{{redpanda_group}} {{redpanda_topic}}",
      ],
    ],
  },
];
