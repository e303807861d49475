import type { ParseSummary } from "../../lib/parsing/parse-file.ts";
import type { ParserMetrics } from "./metrics.ts";

/** Counts a file whose end is published. */
export function countFile(metrics: ParserMetrics, summary: ParseSummary, parseMs: number, isHeld: boolean): void {
  metrics.files.inc({ outcome: isHeld ? "held" : summary.outcome });
  metrics.rows.inc({ outcome: "accepted" }, summary.rowsAccepted);
  metrics.rows.inc({ outcome: "rejected" }, summary.rowsRejected);
  metrics.bytes.inc(summary.textBytes);
  metrics.parseSeconds.observe(parseMs / 1000);
  for (const [reason, n] of Object.entries(summary.rejectsByReason)) {
    metrics.rejects.inc({ reason: reason.replace(/^rule:.*/, "rule") }, n);
  }
  if (summary.error && !isHeld) {
    metrics.throughput.error(summary.error.code);
    if (summary.error.code !== "FILE_CANCELLED") metrics.throughput.sent("dead_letter");
  }
  metrics.throughput.sent("file");
  metrics.throughput.sent("rows", summary.rowsAccepted);
  metrics.throughput.sent("rejects", summary.rowsRejected);
}
