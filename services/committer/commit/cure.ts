import { randomUUID } from "node:crypto";
import { codeOf, isRetryable, messageOf, TributaryError, type ErrorCode } from "../../../lib/errors.ts";
import type { TableLayout, Warehouse } from "../../../lib/warehouse/warehouse.ts";

/**
 * What helps after a failed commit:
 * - `repeat`: the same commit later. The cause is outside of the batch: an outage, a conflict, a refusal.
 * - `divide`: a commit of fewer files.
 * - `fail`: nothing. The only file of the batch cannot be committed.
 */
export type Cure = "repeat" | "divide" | "fail";

/** Errors that depend on the load of the warehouse as well as on the size of the batch. */
const LOAD_DEPENDENT: ReadonlySet<ErrorCode> = new Set(["WAREHOUSE_TIMEOUT", "WAREHOUSE_LIMIT"]);

/** Attempts after which a batch of several files is divided, if the table accepts an empty commit. */
const DIVIDE_AFTER = 3;
/**
 * Attempts after which a single file that exceeds a load-dependent limit fails. With the waits between them
 * this takes about an hour, so a busy hour of the warehouse fails no file.
 */
const LONE_ATTEMPTS_MAX = 20;

/** A failed attempt to commit `files` files; `attempt` counts from 1. */
export interface FailedAttempt {
  thrown: unknown;
  attempt: number;
  files: number;
  /** Whether the table accepts an empty commit: undefined, or the error that it throws. */
  probe: () => Promise<unknown>;
}

/**
 * Decides by the error's code and, where the code leaves it open, by an empty commit: what the table refuses
 * even without a row is not the fault of any file.
 */
export async function cureOf({ thrown, attempt, files, probe }: FailedAttempt): Promise<Cure> {
  const code = codeOf(thrown);
  if (code === "WAREHOUSE_REFUSED" || code === "ASSIGNMENT_LOST") return "repeat";
  if (!isRetryable(thrown)) {
    if (files > 1) return "divide";
    if (code === "WAREHOUSE_LIMIT") return "fail";
    if (code === "SCHEMA_CONFLICT") return "fail";
    // The first failure may be the engine's: it is repeated once, after the table was read again.
    return attempt > 1 && (await probe()) === undefined ? "fail" : "repeat";
  }
  if (files > 1) return attempt >= DIVIDE_AFTER && (await probe()) === undefined ? "divide" : "repeat";
  if (!LOAD_DEPENDENT.has(code) || attempt < LONE_ATTEMPTS_MAX) return "repeat";
  return (await probe()) === undefined ? "fail" : "repeat";
}

/**
 * Commits a file without rows, under a name that no file has. It changes nothing, and needs the same
 * permissions and the same state of the table as every other commit. Returns its error. A table that does
 * not exist yet refuses nothing.
 */
export async function probeTable(
  warehouse: Warehouse,
  layout: TableLayout,
  confirmOwner: () => Promise<void>,
): Promise<unknown> {
  const stage = warehouse.stage(layout.table, randomUUID());
  try {
    if (!(await warehouse.describe(layout.table))) return undefined;
    const empty = { fileId: randomUUID(), sourceFile: "", sourceOffset: 0, columns: [], stage };
    await warehouse.commit({ layout, files: [empty] }, { confirmOwner });
    return undefined;
  } catch (thrown) {
    return thrown;
  } finally {
    await stage.discard();
  }
}

/** The error of a probe as an error of the table. It is retryable, because no file is to blame. */
export function refusalOf(thrown: unknown): unknown {
  if (isRetryable(thrown)) return thrown;
  return new TributaryError("WAREHOUSE_REFUSED", messageOf(thrown), { cause: thrown });
}
