import { messageOf, TributaryError, type ErrorCode } from "../../errors.ts";

const OUT_OF_MEMORY = /^Out of Memory Error|could not allocate block|failed to (allocate|pin)/i;

export const isOutOfMemory = (thrown: unknown): boolean => OUT_OF_MEMORY.test(messageOf(thrown));

const DISK_FULL = /no space left|ENOSPC|disk (is )?full|max_temp_directory_size|File too large/i;

/** Also for errors of the file system. */
export const isDiskFull = (thrown: unknown): boolean => DISK_FULL.test(messageOf(thrown));

/** After such an error DuckDB may refuse every statement of the instance. */
export const isInvalidating = (thrown: unknown): boolean =>
  /^(?:FATAL|INTERNAL) Error|has been invalidated/.test(messageOf(thrown));

/**
 * An Iceberg table got its first snapshot after the transaction began, by the clock of this host. DuckDB
 * reads a table as it was at that time, and refuses one whose snapshots are all newer. The next transaction
 * reads it.
 */
export const isBeforeFirstSnapshot = (thrown: unknown): boolean =>
  /does not have a reachable state in this transaction|is already outdated\. Please restart/.test(messageOf(thrown));

/**
 * Converts DuckDB's error to a TributaryError. Returns a TributaryError, and what is no error of DuckDB,
 * unchanged.
 */
export function engineError(thrown: unknown): unknown {
  if (thrown instanceof TributaryError) return thrown;
  const message = messageOf(thrown);
  const error = (code: ErrorCode): TributaryError => new TributaryError(code, message, { cause: thrown });
  if (isDiskFull(thrown)) return error("DISK_FULL");
  if (/^TransactionContext Error.*conflict|Conflict on|write-write conflict/i.test(message))
    return error("WAREHOUSE_CONFLICT");
  if (isBeforeFirstSnapshot(thrown)) return error("WAREHOUSE_CONFLICT");
  if (/^INTERRUPT Error/i.test(message)) return error("WAREHOUSE_TIMEOUT");
  // Memory that other work holds, for example a checkpoint, is free again soon: the error is retryable.
  if (isOutOfMemory(thrown)) return new TributaryError("WAREHOUSE_LIMIT", message, { cause: thrown, retryable: true });
  if (/^(FATAL|IO|Connection) Error/i.test(message)) return error("WAREHOUSE_UNAVAILABLE");
  // The file or its folder, not the statement, is at fault.
  if (/^(Permission|Catalog Read-Only) Error|read-only mode/i.test(message)) return error("WAREHOUSE_REFUSED");
  if (/ Error: /.test(message)) return error("WAREHOUSE_FAILED");
  return thrown;
}
