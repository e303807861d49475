import type { LogRecord } from "../../../lib/event-log/event-log.ts";
import type { CommitEvent } from "../../../lib/messages/generated.ts";
import type { Tracer } from "../../../lib/process/tracing.ts";

/**
 * The last span of each file's trace. A commit is of many files, hence of many traces: each gets a span of its own, the child of its
 * parse, and all of them name the commit. The gap between the two is the time in the queue.
 */
export class FileTraces {
  readonly #tracer: Tracer;
  /** Contexts of files that have ended and are not on record, by the offset of their end-of-file. */
  readonly #parents = new Map<number, string>();

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  /** An end-of-file has come. */
  note({ offset, headers }: LogRecord): void {
    if (headers?.["traceparent"] !== undefined) this.#parents.set(offset, headers["traceparent"]);
  }

  /** The files of a commit are on record. */
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
