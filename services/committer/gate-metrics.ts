import type { Fallback, GateEvent } from "../../lib/warehouse/gate-events.ts";
import type { Logger } from "../../lib/process/logger.ts";
import { closedCounter, Counter, Histogram, type Registry } from "../../lib/process/metrics.ts";

const OUTCOMES = ["committed", "refused", "unavailable", "partial", "unknown"] as const;
const ANSWERS = ["accepted", "refused", "away", "lost"] as const;

/** A commit is over within tens of milliseconds, or waits for a catalog that is away. */
const COMMIT_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30, 90];

const GUARDS = ["format_version", "sort_order", "partition_text", "memory"] as const;

/** What watches the warehouse of a committer. */
export const writerObserver = (registry: Registry, logger: Logger) => ({
  onGateEvent: gateObserver(registry, logger),
  onFallback: fallbackObserver(registry, logger),
});

/** Counts what Trino writes for DuckDB's Iceberg writer, and logs the first time of each table and guard. */
function fallbackObserver(registry: Registry, logger: Logger): (fallback: Fallback) => void {
  const fallbacks = closedCounter(registry, {
    name: "tributary_committer_fallbacks_total",
    help: "Writes that Trino did in place of DuckDB's Iceberg writer, by the guard that refused them",
    label: "guard",
    values: GUARDS,
  });
  const logged = new Set<string>();
  return ({ table, guard, message }) => {
    fallbacks.inc({ guard });
    const key = `${table} ${guard}`;
    const isNew = !logged.has(key);
    logged.add(key);
    logger[isNew ? "warn" : "debug"]({ table, guard, detail: message }, "written by Trino in place of DuckDB");
  };
}

/** Counts and logs what happens at the commit gate (lib/warehouse/iceberg/gate). */
export function gateObserver(registry: Registry, logger: Logger): (event: GateEvent) => void {
  const commits = closedCounter(registry, {
    name: "tributary_gate_commits_total",
    help: "Commits to the Iceberg catalog, by outcome; after partial and unknown the committer reads what is there",
    label: "outcome",
    values: OUTCOMES,
  });
  const attempts = closedCounter(registry, {
    name: "tributary_gate_attempts_total",
    help: "Attempts to commit to the Iceberg catalog, by its answer: accepted, refused, away (not sent), lost (nobody knows)",
    label: "answer",
    values: ANSWERS,
  });
  const seconds = new Histogram({
    name: "tributary_gate_commit_seconds",
    help: "Duration of a commit to the Iceberg catalog, with all its attempts",
    buckets: COMMIT_BUCKETS,
    registers: [registry],
  });
  const forwarded = new Counter({
    name: "tributary_gate_forwarded_total",
    help: "Other requests of the Iceberg writer to the catalog, by class of the answer's status (2xx, 4xx, 5xx)",
    labelNames: ["status"],
    registers: [registry],
  });
  const faults = closedCounter(registry, {
    name: "tributary_gate_faults_total",
    help: "Requests that the gate refused, and commits that the Iceberg writer took for failed though they are committed",
    label: "fault",
    values: ["refuse", "writer-failed"],
  });
  return (event) => {
    switch (event.event) {
      case "attempt":
        attempts.inc({ answer: event.answer });
        if (event.answer !== "accepted") logger.info(event, "attempt to commit failed");
        return;
      case "commit":
        commits.inc({ outcome: event.outcome });
        seconds.observe(event.durationMs / 1_000);
        if (event.outcome === "committed") logger.debug(event, "commit settled");
        else logger.warn(event, "commit settled");
        return;
      case "forward":
        return forwarded.inc({ status: `${Math.floor(event.status / 100)}xx` });
      case "refuse":
        faults.inc({ fault: "refuse" });
        return logger.warn(event, "request refused by the commit gate");
      case "writer-failed":
        faults.inc({ fault: "writer-failed" });
        return logger.error({ err: event.error, tables: event.tables }, "writer failed after its commit");
    }
  };
}
