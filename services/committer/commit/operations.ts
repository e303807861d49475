import { hasCode } from "../../../lib/errors.ts";
import type { FileOutcome } from "../../../lib/messages/generated.ts";
import type { CommitReceipt } from "../../../lib/warehouse/warehouse.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import { rebuildTable } from "../rebuild/rebuild.ts";
import { NOTHING_TO_DO, type Failure } from "./outcome.ts";
import { beginRename, overtaken } from "./rename.ts";
import { anyError, assertNoneSkipped, type CommittingWriter, type WriterContext } from "./writer.ts";

/** What an operation on the table did, or why it changed nothing. */
export type Operated = { receipt: CommitReceipt; readAgain?: FileOutcome[] } | { failure: Failure };

/**
 * Carries out the operation that is alone in its micro-batch. Undefined: it is none, or an undo, which is
 * committed as a file is.
 * @throws SkipAsked; ASSIGNMENT_LOST
 */
export async function operate(writer: CommittingWriter, file: EndedFile): Promise<Operated | undefined> {
  const { operation } = file;
  if (operation?.kind === "rebuild") {
    writer.releaseSlot();
    return rebuildTable(writer, writer.rebuilding, file);
  }
  if (operation?.kind === "drop") return { receipt: await dropTable(writer, file) };
  if (operation?.kind !== "rename") return undefined;
  if (operation.step === "begin") return beginRename(writer, file, operation);
  const failure = await overtaken(writer, file, operation);
  return failure ? { failure } : { receipt: await dropTable(writer, file) };
}

async function dropTable(writer: WriterContext, file: EndedFile): Promise<CommitReceipt> {
  const { warehouse, contract, signal } = writer;
  const confirmOwner = (): Promise<void> => writer.confirmOwner();
  const drop = async (): Promise<void> => {
    assertNoneSkipped(writer, [file]);
    writer.description = "unknown";
    await warehouse.drop(contract.table, { signal, confirmOwner });
  };
  const retryable = (thrown: unknown): boolean => anyError(thrown) && !hasCode(thrown, "ASSIGNMENT_LOST");
  await writer.persist("commit", drop, { retryable, fileIds: [file.fileId] });
  writer.description = undefined;
  writer.incomplete = undefined;
  return { ...NOTHING_TO_DO, strategy: "drop" };
}
