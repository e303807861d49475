import type { Clock } from "../../lib/clock.ts";
import {
  closedCounter,
  Counter,
  throughputMetrics,
  Gauge,
  Histogram,
  type ThroughputMetrics,
  type ThroughputSpec,
  type Registry,
} from "../../lib/process/metrics.ts";
import { FILE_STEPS, SlowestFiles } from "./slowest-files.ts";

export const COMMITTER_THROUGHPUT = {
  received: {
    row_message: "a message of a rows topic is processed; counted again after a redelivery",
    command: "a command for a table of this committer is started",
  },
  sent: {
    file: "a file's end, of any status, is recorded and published",
    dead_letter: "a file that failed in the committer is published as a dead letter",
    command_result: "the result of a command is published",
  },
  dropped: {
    absorbed: {
      intentional: true,
      when: "a message belongs to a file version that the table contains, or that a newer one replaced",
    },
    superseded: { intentional: true, when: "a message belongs to another parse of a file that has ended" },
    repeated: { intentional: true, when: "a message is a duplicate" },
    repeated_file: { intentional: true, when: "a file event was published twice: the version is on record" },
    incomplete: {
      intentional: false,
      when: "a message belongs to a parse with lost rows, or a file's end is lost; it waits for another parse, or fails",
    },
    undecodable: {
      intentional: false,
      when: "a record of a rows topic is not a row message (its file ends as ROWS_MISSING), or of commands is none",
    },
    expired: {
      intentional: false,
      when: "a rows topic lost records before they were committed; files without any row left end as ROWS_MISSING",
    },
    unwritten_log_rows: {
      intentional: false,
      when: "rows for _quality_results or _maintenance_log could not be written",
    },
  },
} as const satisfies ThroughputSpec;

/** Metrics of the committer. Label sets are closed, except `table`, which few tables have at a time. */
export interface CommitterMetrics {
  throughput: ThroughputMetrics<typeof COMMITTER_THROUGHPUT>;
  commits: Counter<"limit" | "strategy">;
  commitSeconds: Histogram<"strategy">;
  files: Counter<"status">;
  fileBytes: Counter<"status">;
  rows: Counter<"change">;
  endToEndSeconds: Histogram;
  fileStepSeconds: Histogram<"step">;
  slowest: SlowestFiles;
  writers: Gauge;
  writerStuck: Gauge<"table">;
  blocked: Gauge<"table" | "code">;
  retries: Counter<"step">;
  commands: Counter<"kind" | "status">;
  commandSeconds: Histogram<"kind">;
  commandStepSeconds: Histogram<"kind">;
}

const LATENCY_BUCKETS = [0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 15, 30, 60, 300, 1800];
const STATUSES = ["committed", "held", "rejected", "failed"];

export function committerMetrics(registry: Registry, clock: Clock): CommitterMetrics {
  const registers = [registry];
  return {
    throughput: throughputMetrics(registry, "committer", COMMITTER_THROUGHPUT),
    ...commitMetrics(registers),
    ...fileMetrics(registry, clock),
    ...commandMetrics(registers),
    writers: new Gauge({ name: "tributary_committer_lanes", help: "Tables this committer writes", registers }),
    writerStuck: new Gauge({
      name: "tributary_committer_lane_stuck",
      help: "1 while a table's writer keeps failing; it keeps retrying and accepts no more rows",
      labelNames: ["table"],
      registers,
    }),
    blocked: new Gauge({
      name: "tributary_committer_blocked",
      help: "1 while a table's writer keeps failing, with the code of the last error; see docs/errors.md",
      labelNames: ["table", "code"],
      registers,
    }),
    retries: new Counter({
      name: "tributary_committer_retries_total",
      help: "Failed attempts that were retried, by step",
      labelNames: ["step"],
      registers,
    }),
  };
}

function commitMetrics(registers: Registry[]): Pick<CommitterMetrics, "commits" | "commitSeconds"> {
  return {
    commits: new Counter({
      name: "tributary_committer_commits_total",
      help: "Committed micro-batches, by the limit that triggered them (rows, bytes, files, age, idle, drain) and by commit strategy",
      labelNames: ["limit", "strategy"],
      registers,
    }),
    commitSeconds: new Histogram({
      name: "tributary_committer_commit_seconds",
      help: "Duration of a table commit, including retries",
      labelNames: ["strategy"],
      buckets: LATENCY_BUCKETS,
      registers,
    }),
  };
}

function fileMetrics(
  registry: Registry,
  clock: Clock,
): Pick<CommitterMetrics, "files" | "fileBytes" | "rows" | "endToEndSeconds" | "fileStepSeconds" | "slowest"> {
  const registers = [registry];
  const slowest = new SlowestFiles();
  new Gauge({
    name: "tributary_committer_slow_file_seconds",
    help: "The ten slowest files of the last 15 minutes, by step: wait, parse, queue, commit, record. `tributary status <file_id>` shows their names",
    labelNames: ["table", "file_id", "step"],
    registers,
    collect() {
      this.reset();
      for (const { table, fileId, stepsMs } of slowest.at(clock.nowMs())) {
        for (const step of FILE_STEPS) this.set({ table, file_id: fileId, step }, stepsMs[step] / 1000);
      }
    },
  });
  return {
    files: closedCounter(registry, {
      name: "tributary_committer_files_total",
      help: "Files that ended, by status: committed, held, rejected, failed",
      label: "status",
      values: STATUSES,
    }),
    fileBytes: closedCounter(registry, {
      name: "tributary_committer_file_bytes_total",
      help: "Raw bytes of files that ended, by status",
      label: "status",
      values: STATUSES,
    }),
    rows: closedCounter(registry, {
      name: "tributary_committer_rows_total",
      help: "Rows by outcome: committed or rejected; inserted, updated or deleted in a table",
      label: "change",
      values: ["committed", "rejected", "inserted", "updated", "deleted"],
    }),
    endToEndSeconds: new Histogram({
      name: "tributary_committer_end_to_end_seconds",
      help: "Time from a file's arrival (its bytes are stored) until its rows are queryable",
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    fileStepSeconds: new Histogram({
      name: "tributary_committer_file_step_seconds",
      help: "Duration of each step of a file: wait for a parser, parse, queue for the commit, commit, record",
      labelNames: ["step"],
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    slowest,
  };
}

const MAINTENANCE = ["optimize", "expire_snapshots", "remove_orphan_files"];

function commandMetrics(
  registers: Registry[],
): Pick<CommitterMetrics, "commands" | "commandSeconds" | "commandStepSeconds"> {
  const commands = new Counter({
    name: "tributary_committer_commands_total",
    help: "Finished commands, by kind and status",
    labelNames: ["kind", "status"],
    registers,
  });
  for (const status of ["passed", "failed", "error"]) commands.inc({ kind: "checks", status }, 0);
  for (const kind of MAINTENANCE) for (const status of ["completed", "failed"]) commands.inc({ kind, status }, 0);
  return {
    commands,
    commandSeconds: new Histogram({
      name: "tributary_committer_command_seconds",
      help: "Duration of a command",
      labelNames: ["kind"],
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    commandStepSeconds: new Histogram({
      name: "tributary_committer_command_step_seconds",
      help: "Duration of one step of a command, during which rows wait for the table's writer",
      labelNames: ["kind"],
      buckets: LATENCY_BUCKETS,
      registers,
    }),
  };
}
