import type { LogRecord } from "../../../lib/event-log/event-log.ts";
import type { CommitEvent } from "../../../lib/messages/generated.ts";
import type { Tracer } from "../../../lib/process/tracing.ts";

/**
 * The commit and record spans of each file's trace. A commit belongs to the traces of all its files: each
 * trace gets its own span, a child of its parse span, with the commit's id. The gap between parse and commit
 * is the queue time.
 */
export class FileTraces {
  readonly #tracer: Tracer;
  /** Trace contexts of ended files that are not recorded yet, by the offset of their end-of-file. */
  readonly #parents = new Map<number, string>();

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  /** Keeps the trace context of an end-of-file record. */
  note({ offset, headers }: LogRecord): void {
    if (headers?.["traceparent"] !== undefined) this.#parents.set(offset, headers["traceparent"]);
  }

  /** Ends the traces of a commit's files, which are recorded. */
  recorded({ commitId, table, strategy, limit, committedAtMs, commitMs, files }: CommitEvent, atMs: number): void {
    for (const file of files) {
      const parent = this.#parents.get(file.rowsOffset);
      if (parent === undefined) continue;
      this.#parents.delete(file.rowsOffset);
      const attributes = {
        "tributary.file_id": file.fileId,
        "tributary.table": table,
        "tributary.status": file.status,
        "tributary.rows_committed": file.rowsCommitted,
        "tributary.rows_rejected": file.rowsRejected,
        "tributary.commit_id": commitId,
        "tributary.commit_files": files.length,
        "tributary.commit_strategy": strategy,
        "tributary.commit_limit": limit,
      };
      const commit = this.#tracer.start("commit", { parent, attributes, startMs: committedAtMs - commitMs });
      this.#tracer
        .start("record", { parent: commit.traceparent, attributes: {}, startMs: committedAtMs })
        .end({ atMs: Math.max(atMs, committedAtMs) });
      commit.end({ errorCode: file.errorCode, atMs: Math.max(atMs, committedAtMs) });
    }
  }
}
