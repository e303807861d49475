import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyToFile } from "../../../lib/blob/copy-to-file.ts";
import { hasCode } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import { compressionOf } from "../../../lib/text/decompress.ts";
import type { CommittingWriter } from "../commit/writer.ts";
import type { LoadStep } from "../lane/parse-attempts.ts";

/**
 * Loads the rows of a plan from the raw file into the attempt's stage. Notes in the attempt if the raw file
 * is gone or damaged, or if the plan does not load it. Other failures are retried: they pass.
 */
export async function loadPlanned(
  writer: Pick<CommittingWriter, "persist" | "rebuilding" | "signal">,
  logger: Logger,
  { plan, sourceFile, attempt }: LoadStep,
): Promise<void> {
  const { blob } = writer.rebuilding;
  const { blobKey: key, contentHash } = plan;
  const load = async (): Promise<void> => {
    const folder = await mkdtemp(join(tmpdir(), "tributary-raw-"));
    try {
      const path = join(folder, "raw");
      const { sha256, head } = await copyToFile(blob, key, path, writer.signal);
      if (sha256 !== contentHash) {
        attempt.missing = { code: "BLOB_DAMAGED", message: `'${key}' holds other bytes than those that arrived` };
        return;
      }
      await attempt.stage.load({ plan, path, compression: compressionOf(head), sourceFile });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  const isPassing = (thrown: unknown): boolean =>
    !(["BLOB_NOT_FOUND", "LOAD_PLAN_FAILED", "ASSIGNMENT_LOST"] as const).some((code) => hasCode(thrown, code));
  try {
    await writer.persist("load", load, { retryable: isPassing });
  } catch (thrown) {
    if (hasCode(thrown, "BLOB_NOT_FOUND")) {
      const message = `the raw file '${key}' expired before its rows were loaded: send the file again`;
      attempt.missing = { code: "BLOB_MISSING", message };
    } else if (hasCode(thrown, "LOAD_PLAN_FAILED")) {
      logger.warn({ sourceFile, err: thrown }, "load plan failed: the file is read again row by row");
      attempt.unplanned = thrown.message;
    } else throw thrown;
  }
}
