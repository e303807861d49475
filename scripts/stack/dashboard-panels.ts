/** What the two Grafana dashboards show; dashboards.ts turns it into their files. */

/** A panel before it has a place: what it shows, and the query or queries, each with the name of its lines. */
export interface Panel {
  title: string;
  /** What a reader should know about it. */
  about: string;
  kind: "stat" | "gauge" | "timeseries" | "table";
  unit: string;
  queries: readonly (readonly [expr: string, legend: string])[];
  /** Of 24 columns. */
  width: number;
  /** Values from which the colour is orange, then red. */
  limits?: readonly [number, number];
  /** Asks Redpanda's own metrics, which the local stack's Kafka does not have. */
  redpandaOnly?: true;
}

export interface Dashboard {
  uid: string;
  title: string;
  about: string;
  panels: readonly Panel[];
}

const OURS = 'job=~"gateway|parser|committer|scheduler"';
const rows = (change: string, window: string): string =>
  `sum(increase(tributary_committer_rows_total{change="${change}"}[${window}]))`;
const quantile = (q: number, histogram: string, by = ""): string =>
  `histogram_quantile(${q}, sum by (le${by}) (rate(${histogram}_bucket[5m])))`;

const OVERVIEW: readonly Panel[] = [
  {
    title: "Services up",
    about: "Processes of Tributary that answer Prometheus.",
    kind: "stat",
    unit: "none",
    width: 3,
    queries: [[`sum(up{${OURS}})`, "up"]],
  },
  {
    title: "Tables",
    about: "Tables the scheduler looks after.",
    kind: "stat",
    unit: "none",
    width: 3,
    queries: [["max(tributary_scheduler_tables)", "tables"]],
  },
  {
    title: "Files in 24 h",
    about: "File versions committed in the last 24 hours.",
    kind: "stat",
    unit: "short",
    width: 3,
    queries: [['sum(increase(tributary_committer_files_total{status="committed"}[24h]))', "files"]],
  },
  {
    title: "Rows in 24 h",
    about: "Rows committed in the last 24 hours.",
    kind: "stat",
    unit: "short",
    width: 3,
    queries: [[rows("committed", "24h"), "rows"]],
  },
  {
    title: "Failure rate",
    about:
      "Attempts of the committers that failed and were made again, of all attempts in the last 15 minutes. Nothing is lost by them.",
    kind: "stat",
    unit: "percentunit",
    width: 3,
    limits: [0.05, 0.2],
    queries: [
      [
        "(sum(increase(tributary_committer_retries_total[15m])) or vector(0)) / clamp_min((sum(increase(tributary_committer_retries_total[15m])) or vector(0)) + sum(increase(tributary_committer_commits_total[15m])), 1)",
        "failed",
      ],
    ],
  },
  {
    title: "Stuck tables",
    about: "Tables whose commits keep failing; they take no more rows until that is mended.",
    kind: "stat",
    unit: "none",
    width: 3,
    limits: [1, 1],
    queries: [["sum(tributary_committer_lane_stuck) or vector(0)", "stuck"]],
  },
  {
    title: "Checks failing",
    about: "Quality checks whose last run failed or could not be run.",
    kind: "stat",
    unit: "none",
    width: 3,
    limits: [1, 3],
    queries: [['sum(tributary_quality_checks{status=~"failed|error"})', "checks"]],
  },
  {
    title: "Disk",
    about: "How full the disk of SeaweedFS's volume server is. At 80 % an alert fires.",
    kind: "gauge",
    unit: "percentunit",
    width: 3,
    limits: [0.7, 0.8],
    queries: [
      ['max(SeaweedFS_volumeServer_resource{type="used"}) / max(SeaweedFS_volumeServer_resource{type="all"})', "used"],
    ],
  },
  {
    title: "Commits",
    about:
      "Micro-batches a minute, by how their rows reached the table: inline in the statement, staged as a file, adopted as a file of the table.",
    kind: "timeseries",
    unit: "opm",
    width: 8,
    queries: [["sum by (strategy) (rate(tributary_committer_commits_total[5m])) * 60", "{{strategy}}"]],
  },
  {
    title: "Rows",
    about: "Rows a second: committed or rejected; what the commits inserted, updated and deleted.",
    kind: "timeseries",
    unit: "rowsps",
    width: 8,
    queries: [["sum by (change) (rate(tributary_committer_rows_total[5m]))", "{{change}}"]],
  },
  {
    title: "Files by status",
    about: "Files a minute by how they ended.",
    kind: "timeseries",
    unit: "opm",
    width: 8,
    queries: [["sum by (status) (rate(tributary_committer_files_total[5m])) * 60", "{{status}}"]],
  },
  {
    title: "Commit duration",
    about: "How long a table commit takes, retries included.",
    kind: "timeseries",
    unit: "s",
    width: 8,
    queries: [
      [quantile(0.5, "tributary_committer_commit_seconds"), "half"],
      [quantile(0.95, "tributary_committer_commit_seconds"), "95 %"],
    ],
  },
  {
    title: "End-to-end latency",
    about: "From a file's arrival until its rows can be queried.",
    kind: "timeseries",
    unit: "s",
    width: 8,
    queries: [
      [quantile(0.5, "tributary_committer_end_to_end_seconds"), "half"],
      [quantile(0.95, "tributary_committer_end_to_end_seconds"), "95 %"],
      [quantile(0.99, "tributary_committer_end_to_end_seconds"), "99 %"],
    ],
  },
  {
    title: "Parsing",
    about: "Text read a second, unpacked.",
    kind: "timeseries",
    unit: "Bps",
    width: 8,
    queries: [["sum by (instance) (rate(tributary_parser_text_bytes_total[5m]))", "{{instance}}"]],
  },
  {
    title: "Rejected rows by reason",
    about: "Rows a minute that could not be typed. `tributary rejects <table>` shows each.",
    kind: "timeseries",
    unit: "opm",
    width: 8,
    queries: [["sum by (reason) (rate(tributary_parser_rejects_total[5m])) * 60", "{{reason}}"]],
  },
  {
    title: "Errors by code",
    about: "Failures a minute; docs/errors.md says what each code means. Most are tried again.",
    kind: "timeseries",
    unit: "opm",
    width: 8,
    queries: [["sum by (component, code) (rate(tributary_errors_total[5m])) * 60", "{{component}} {{code}}"]],
  },
  {
    title: "Storage used",
    about: "Bytes by bucket.",
    kind: "timeseries",
    unit: "bytes",
    width: 8,
    queries: [["max by (bucket) (SeaweedFS_s3_bucket_size_bytes)", "{{bucket}}"]],
  },
  {
    title: "Objects",
    about: "Objects by bucket. Many small ones in the warehouse ask for maintenance.",
    kind: "timeseries",
    unit: "short",
    width: 8,
    queries: [["max by (bucket) (SeaweedFS_s3_bucket_object_count)", "{{bucket}}"]],
  },
  {
    title: "Events through the log",
    about: "What each service takes from the event log, a second.",
    kind: "timeseries",
    unit: "ops",
    width: 8,
    queries: [["sum by (component, kind) (rate(tributary_received_total[5m]))", "{{component}} {{kind}}"]],
  },
  {
    title: "Broker throughput",
    about: "Bytes a second in and out of Redpanda.",
    kind: "timeseries",
    unit: "Bps",
    width: 8,
    redpandaOnly: true,
    queries: [["sum by (redpanda_request) (rate(redpanda_kafka_request_bytes_total[5m]))", "{{redpanda_request}}"]],
  },
  {
    title: "HTTP requests",
    about: "Requests to the gateway a second, by status.",
    kind: "timeseries",
    unit: "reqps",
    width: 8,
    queries: [["sum by (status) (rate(tributary_http_request_seconds_count[5m]))", "{{status}}"]],
  },
  {
    title: "S3 requests",
    about: "Requests to SeaweedFS a second, by kind.",
    kind: "timeseries",
    unit: "reqps",
    width: 8,
    queries: [["sum by (type) (rate(SeaweedFS_s3_request_total[5m]))", "{{type}}"]],
  },
  {
    title: "Trino queries",
    about: "Running and waiting now; completed and failed a second.",
    kind: "timeseries",
    unit: "short",
    width: 8,
    queries: [
      ["trino_execution_name_QueryManager_RunningQueries", "running"],
      ["trino_execution_name_QueryManager_QueuedQueries", "waiting"],
      ["rate(trino_execution_name_QueryManager_CompletedQueries[5m])", "completed a second"],
      ["rate(trino_execution_name_QueryManager_FailedQueries[5m])", "failed a second"],
    ],
  },
  {
    title: "Memory",
    about: "Resident memory of each process.",
    kind: "timeseries",
    unit: "bytes",
    width: 8,
    queries: [[`process_resident_memory_bytes{${OURS}}`, "{{job}} {{instance}}"]],
  },
  {
    title: "Event-loop delay",
    about: "99 % of the turns of each process's event loop start within this time.",
    kind: "timeseries",
    unit: "s",
    width: 8,
    queries: [[`nodejs_eventloop_lag_p99_seconds{${OURS}}`, "{{job}} {{instance}}"]],
  },
];

const LAG = "tributary_consumer_lag_messages";
const AGE = "tributary_consumer_lag_seconds";

const INGESTION_LAG: readonly Panel[] = [
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
    queries: [[`sum by (group) (${LAG}) / clamp_min(-sum by (group) (deriv(${LAG}[5m])), 0.001)`, "{{group}}"]],
  },
  {
    title: "Files under way",
    about: "File versions that no parser has taken up to the end yet.",
    kind: "stat",
    unit: "short",
    width: 6,
    queries: [[`sum(${LAG}{topic="file-events"})`, "files"]],
  },
  {
    title: "Lag by group",
    about: "Messages published and not acked. It shows also when nobody reads.",
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
    about: "Rows topics by their table: the ten furthest behind, in seconds.",
    kind: "timeseries",
    unit: "s",
    width: 12,
    queries: [
      [
        `topk(10, max by (table) (label_replace(${AGE}{topic=~"rows[.].+"}, "table", "$1", "topic", "rows[.](.+)")))`,
        "{{table}}",
      ],
    ],
  },
  {
    title: "Pace",
    about: "Events a second that each service finished.",
    kind: "timeseries",
    unit: "ops",
    width: 12,
    queries: [["sum by (component) (rate(tributary_sent_total[5m]))", "{{component}}"]],
  },
  {
    title: "End-to-end latency",
    about: "From a file's arrival until its rows can be queried.",
    kind: "timeseries",
    unit: "s",
    width: 12,
    queries: [
      [quantile(0.5, "tributary_committer_end_to_end_seconds"), "half"],
      [quantile(0.95, "tributary_committer_end_to_end_seconds"), "95 %"],
    ],
  },
  {
    title: "Partitions",
    about: "Every partition's lag now.",
    kind: "table",
    unit: "short",
    width: 12,
    queries: [[`sort_desc(max by (group, topic, partition) (${LAG}))`, ""]],
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

export const DASHBOARDS: Readonly<Record<string, Dashboard>> = {
  "lakehouse-platform-overview": {
    uid: "tributary-overview",
    title: "Lakehouse Platform Overview",
    about: "Everything at a glance: services, files, rows, commits, storage, broker, Trino.",
    panels: OVERVIEW,
  },
  "ingestion-lag": {
    uid: "tributary-lag",
    title: "Ingestion Lag",
    about: "How far each consumer group is behind, per topic and table, and when it will have caught up.",
    panels: INGESTION_LAG,
  },
};
