import { sameColumns } from "../../../lib/columns.ts";
import { hasCode } from "../../../lib/errors.ts";
import { makeVersionLedger, type RecordedVersion } from "../../../lib/file-versions/ledger.ts";
import type { Renaming } from "../../../lib/messages/operation.ts";
import type { CommitReceipt } from "../../../lib/warehouse/warehouse.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import { makeTable } from "./make-table.ts";
import { NOTHING_TO_DO, type Failure } from "./outcome.ts";
import { anyError, assertNoneSkipped, describe, type WriterContext } from "./writer.ts";

/** The timeout of a lookup, which is repeated until it succeeds. */
const LOOKUP_MS_MAX = 60_000;

/**
 * The first step of a renaming, carried out by the writer of the new name: makes the table, empty, with the
 * columns of the old one, so that the files find the types that they found before. It fails if the name is
 * not free. A crash may repeat it: an empty table with these columns, of which no file is on record, is its
 * own work.
 */
export async function beginRename(
  writer: WriterContext,
  file: EndedFile,
  { from }: Extract<Renaming, { step: "begin" }>,
): Promise<{ receipt: CommitReceipt } | { failure: Failure }> {
  const { contract, warehouse } = writer;
  const { table } = contract;
  writer.description = "unknown";
  const records = (await recordsOf(writer, file)).filter(({ fileId }) => fileId !== file.fileId);
  const taken = { failure: { code: "RENAME_REFUSED", message: `the name '${table}' is not free any more` } };
  if (records.some(usesName)) return taken;
  const source = await step(writer, file, () => warehouse.describe(from));
  const columns = source?.columns ?? [];
  const present = await describe(writer, [file]);
  if (present && !sameColumns(present.columns, columns)) return taken;
  if (present && (await step(writer, file, () => warehouse.reads.rowCount(table, limitsOf(writer)))) > 0) return taken;
  if (!present && columns.length > 0) {
    writer.description = await step(writer, file, () => makeTable(writer, columns));
  }
  return { receipt: { ...NOTHING_TO_DO, strategy: "rename" } };
}

const usesName = ({ operation, isFailed }: RecordedVersion): boolean =>
  operation === null || (operation === "rename" && !isFailed);

/**
 * Why the last step of a renaming, the drop of the old table, must not be carried out: more is on record of
 * the table than the renaming has seen, or the new table was dropped. Undefined: it may. A drop that a crash
 * interrupted leaves fewer records, never more.
 */
export async function overtaken(
  writer: WriterContext,
  file: EndedFile,
  { of, to, files, at }: Extract<Renaming, { step: "end" }>,
): Promise<Failure | undefined> {
  const { table } = writer.contract;
  const refused = (message: string): Failure => ({ code: "RENAME_REFUSED", message });
  const lookup = () => writer.warehouse.reads.files.recorded(to, [of], limitsOf(writer));
  const [begun] = await step(writer, file, lookup);
  if (begun?.status !== "committed") return refused(`'${to}' was dropped while '${table}' was renamed to it`);
  const records = await recordsOf(writer, file);
  if (records.length <= files && records.every(({ sourceOffset }) => sourceOffset <= at)) return undefined;
  return refused(`something came to '${table}' while it was renamed to '${to}'`);
}

const limitsOf = ({ signal }: WriterContext) => ({ timeoutMs: LOOKUP_MS_MAX, signal });

const recordsOf = (writer: WriterContext, file: EndedFile): Promise<RecordedVersion[]> =>
  step(writer, file, () =>
    makeVersionLedger(writer.warehouse, limitsOf(writer)).versions(writer.contract.table, "replace"),
  );

function step<T>(writer: WriterContext, file: EndedFile, attempt: () => Promise<T>): Promise<T> {
  const checked = async (): Promise<T> => {
    assertNoneSkipped(writer, [file]);
    return attempt();
  };
  const retryable = (thrown: unknown): boolean => anyError(thrown) && !hasCode(thrown, "ASSIGNMENT_LOST");
  return writer.persist("rename", checked, { retryable, fileIds: [file.fileId] });
}
