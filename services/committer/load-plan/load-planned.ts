import { rm } from "node:fs/promises";
import { join } from "node:path";
import { copyToFile } from "../../../lib/blob/copy-to-file.ts";
import { hasCode, TributaryError } from "../../../lib/errors.ts";
import type { RowMessage } from "../../../lib/messages/generated.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import { makeTemporaryFolder } from "../../../lib/temporary-folders.ts";
import { compressionOf } from "../../../lib/text/decompress.ts";
import type { CommittingWriter } from "../commit/writer.ts";
import type { LoadStep } from "../lane/parse-attempts.ts";
import { progressReports, type ProgressDeps } from "../../../lib/observability/progress-reports.ts";

interface LoadDeps extends ProgressDeps {
  logger: Logger;
}

/** As `loadPlanned`, until the file is cancelled. Reports how far the load is. */
export async function loadReported(
  writer: LoadingWriter & Pick<CommittingWriter, "contract" | "cancels">,
  deps: LoadDeps,
  { fileId, sourceOffset }: Pick<RowMessage, "fileId" | "sourceOffset">,
  step: LoadStep,
): Promise<void> {
  const { rowCount: rowsTotal, textBytes: bytesTotal } = step.plan;
  const report = progressReports(deps, { table: writer.contract.table, fileId, sourceOffset });
  const onRows = (rowsDone: number): void => {
    const bytesDone = Math.round((bytesTotal * rowsDone) / Math.max(1, rowsTotal));
    report({ step: "load", filesDone: 0, filesTotal: 1, bytesDone, bytesTotal, rowsDone, rowsTotal });
  };
  await writer.cancels.unlessCancelled(fileId, (cancelled) =>
    loadPlanned(writer, deps.logger, step, { cancelled, onRows }),
  );
}

type LoadingWriter = Pick<CommittingWriter, "persist" | "rebuilding" | "signal">;

/**
 * Loads the rows of a plan from the raw file into the attempt's stage. Notes in the attempt if the raw file
 * is gone or damaged, or if the plan does not load it. Other failures are retried: they pass. If `cancelled`
 * aborts, the load is interrupted; should the cancel come too late, the commit reads the rows again.
 */
async function loadPlanned(
  writer: LoadingWriter,
  logger: Logger,
  { plan, sourceFile, attempt }: LoadStep,
  { cancelled, onRows }: { cancelled: AbortSignal; onRows: (rowsDone: number) => void },
): Promise<void> {
  const { blob } = writer.rebuilding;
  const { blobKey: key, contentHash } = plan;
  const signal = AbortSignal.any([writer.signal, cancelled]);
  const load = async (): Promise<void> => {
    if (cancelled.aborted) throw new TributaryError("FILE_CANCELLED", `'${sourceFile}' is cancelled`);
    const folder = await makeTemporaryFolder("raw");
    try {
      const path = join(folder, "raw");
      const { sha256, head } = await copyToFile(blob, key, path, signal);
      if (sha256 !== contentHash) {
        attempt.missing = { code: "BLOB_DAMAGED", message: `'${key}' holds other bytes than those that arrived` };
        return;
      }
      await attempt.stage.load({ plan, path, compression: compressionOf(head), sourceFile, signal, onRows });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  const isPassing = (thrown: unknown): boolean =>
    !cancelled.aborted &&
    !(["BLOB_NOT_FOUND", "LOAD_PLAN_FAILED", "ASSIGNMENT_LOST"] as const).some((code) => hasCode(thrown, code));
  try {
    await writer.persist("load", load, { retryable: isPassing });
  } catch (thrown) {
    if (cancelled.aborted && !writer.signal.aborted) attempt.unplanned = "the load was interrupted by a cancel";
    else if (hasCode(thrown, "BLOB_NOT_FOUND")) {
      const message = `the raw file '${key}' expired before its rows were loaded: send the file again`;
      attempt.missing = { code: "BLOB_MISSING", message };
    } else if (hasCode(thrown, "LOAD_PLAN_FAILED")) {
      logger.warn({ sourceFile, err: thrown }, "load plan failed: the file is read again row by row");
      attempt.unplanned = thrown.message;
    } else throw thrown;
  }
}
