/** Panels of the dashboard "Ingestion Lag". */
import { END_TO_END, type Panel } from "./panel.ts";

/** Every scheduler replica exports the same lag, so `max` instead of `sum`. */
const LAG = "max by (group, topic, partition) (tributary_consumer_lag_messages)";
const AGE = "tributary_consumer_lag_seconds";
const TABLE_LAG = "max by (group, table) (tributary_table_lag_messages)";
const SLOW = "max by (table, file_id, step) (tributary_committer_slow_file_seconds)";
const STEPS = "tributary_committer_file_step_seconds";

/** Lag divided by its rate of decrease, in seconds. If the lag does not fall, the result is days. */
const eta = (lag: string, change: string): string => `${lag} / clamp_min(-${change}, 0.001)`;

export const INGESTION_LAG: readonly Panel[] = [
  {
    title: "Messages behind",
    about: "Waiting messages in all topics. A message is a file, or up to some thousand rows of a file.",
    kind: "stat",
    unit: "short",
    width: 6,
    limits: [1_000, 10_000],
    queries: [[`sum(${LAG})`, "messages"]],
  },
  {
    title: "Seconds behind",
    about: "Age of the oldest waiting message.",
    kind: "stat",
    unit: "s",
    width: 6,
    limits: [60, 600],
    queries: [[`max(${AGE})`, "age"]],
  },
  {
    title: "Time to catch up (ETA)",
    about: "At the rate of the last five minutes. A value of days means that the lag does not fall.",
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
    title: "Files waiting for a parser",
    about: "File versions that no parser has finished yet.",
    kind: "stat",
    unit: "short",
    width: 6,
    queries: [['sum(max by (partition) (tributary_consumer_lag_messages{topic="file-events"}))', "files"]],
  },
  {
    title: "Lag by group",
    about:
      "Messages published and not acked, also without a running consumer. A gap means that the log is unavailable.",
    kind: "timeseries",
    unit: "short",
    width: 12,
    queries: [[`sum by (group) (${LAG})`, "{{group}}"]],
  },
  {
    title: "Seconds behind by group",
    about: "Age of the group's oldest waiting message.",
    kind: "timeseries",
    unit: "s",
    width: 12,
    queries: [[`max by (group) (${AGE})`, "{{group}}"]],
  },
  {
    title: "Lag by topic",
    about: "The ten topics with the most waiting messages.",
    kind: "timeseries",
    unit: "short",
    width: 12,
    queries: [[`topk(10, sum by (topic) (${LAG}))`, "{{topic}}"]],
  },
  {
    title: "Lag by table",
    about: "The ten tables with the largest lag, in seconds: the age of the oldest waiting file or rows.",
    kind: "timeseries",
    unit: "s",
    width: 12,
    queries: [["topk(10, max by (table) (tributary_table_lag_seconds))", "{{table}}"]],
  },
  {
    title: "Groups and tables now",
    about:
      "Messages that wait for a parser (tributary-parser) and for the commit (tributary-committer), and the time to " +
      "catch up at the rate of the last five minutes.",
    kind: "table",
    unit: "short",
    width: 12,
    queries: [
      [`topk(50, ${TABLE_LAG})`, "Messages"],
      ["max by (group, table) (tributary_table_lag_seconds)", "Lag|s"],
      [eta(TABLE_LAG, "max by (group, table) (deriv(tributary_table_lag_messages[5m]))"), "Catch-up ETA|s"],
    ],
  },
  {
    title: "Catch-up ETA by table",
    about: "The ten tables with the longest time to catch up, at the rate of the last five minutes.",
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
      "Mean seconds per file and step: waiting for a parser, parse, queue for the commit, commit, record. The largest " +
      "part is the bottleneck.",
    kind: "timeseries",
    unit: "s",
    width: 12,
    stacked: true,
    queries: [[`sum by (step) (rate(${STEPS}_sum[5m])) / sum by (step) (rate(${STEPS}_count[5m]))`, "{{step}}"]],
  },
  {
    title: "Commit waterfall of the slowest files",
    about: "The ten slowest files of the last 15 minutes, with the time per step.",
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
    about: "Of the last 15 minutes, from arrival to record. `tributary status <file_id>` shows name and history.",
    kind: "table",
    unit: "s",
    width: 12,
    queries: [[`topk(10, sum by (table, file_id) (${SLOW}))`, "Seconds"]],
  },
  { ...END_TO_END, width: 12 },
  {
    title: "Throughput by service",
    about: "Items that each service has sent, per second.",
    kind: "timeseries",
    unit: "ops",
    width: 12,
    queries: [["sum by (component, kind) (rate(tributary_sent_total[5m]))", "{{component}} {{kind}}"]],
  },
  {
    title: "Commits by trigger",
    about:
      "Micro-batches per minute by the limit that triggered them. `idle`: nothing else was waiting. rows, bytes, files, " +
      "age: the limit of a setting; many of these indicate load.",
    kind: "timeseries",
    unit: "opm",
    width: 12,
    queries: [["sum by (limit) (rate(tributary_committer_commits_total[5m])) * 60", "{{limit}}"]],
  },
  {
    title: "Partitions",
    about: "Current lag of every partition.",
    kind: "table",
    unit: "short",
    width: 12,
    queries: [[LAG, "Messages"]],
  },
  {
    title: "Lag from Redpanda's offsets",
    about:
      "The newest offset minus the committed offset. Redpanda's own lag metric is 0 while a group has no live member; " +
      "this one is not.",
    kind: "timeseries",
    unit: "short",
    width: 12,
    composeOnly: true,
    queries: [
      [
        "sum by (redpanda_group, redpanda_topic) (redpanda_kafka_consumer_group_committed_offset * 0 + on (redpanda_topic, redpanda_partition) group_left () max by (redpanda_topic, redpanda_partition) (redpanda_kafka_max_offset) - redpanda_kafka_consumer_group_committed_offset)",
        "{{redpanda_group}} {{redpanda_topic}}",
      ],
    ],
  },
];
