import { evolve, sameColumns, type ColumnDefinition } from "../../../lib/columns.ts";
import { hasCode, isRetryable, messageOf } from "../../../lib/errors.ts";
import { pinnedBy } from "../../../lib/formats/message-fields.ts";
import type { Logger } from "../../../lib/process/logger.ts";
import type { FollowedSchemas } from "../../../lib/table-schemas/followed-schemas.ts";
import type { PublishedSchema } from "../../../lib/table-schemas/table-schemas.ts";
import { isReservedTable } from "../../../lib/tables.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import type { CommitResult } from "./commit.ts";
import { describe, type WriterContext } from "./writer.ts";

export interface PublishingDeps {
  schemas: FollowedSchemas;
  logger: Logger;
}

/**
 * Publishes the table's columns as they are, if something else is published: after a restart, a lost log, a
 * change by hand. `watermark`: the files up to this offset are decided.
 */
export async function publishAtOpen(
  writer: WriterContext,
  deps: PublishingDeps,
  watermark: number | undefined,
): Promise<void> {
  const { table } = writer.contract;
  if (isReservedTable(table)) return;
  try {
    writer.description = await writer.persist("open", () => writer.warehouse.describe(table), {
      retryable: isRetryable,
    });
  } catch (thrown) {
    if (writer.signal.aborted || hasCode(thrown, "ASSIGNMENT_LOST")) throw thrown;
    // Without a file there is no need to know the table: the next commit asks again, and says so.
    return deps.logger.warn({ table, err: thrown }, `cannot read the table's columns: ${messageOf(thrown)}`);
  }
  const published = await writer.persist("open", () => deps.schemas.of(table));
  const columns = writer.description?.columns ?? [];
  if (sameColumns(published?.columns ?? [], columns)) return;
  const pinned = columns.length > 0 ? published?.pinned : undefined;
  await publish(writer, deps, { sourceOffset: watermark ?? -1, columns, pinned });
}

/**
 * Publishes the table's columns after a micro-batch, before its files are announced: if they changed, or if a
 * file would have changed them and was not committed. Parsers that expected its columns forget it then. A
 * repetition after a crash publishes what is missing, and nothing twice.
 */
export async function publishAfter(
  writer: WriterContext,
  deps: PublishingDeps,
  files: readonly EndedFile[],
  failures: CommitResult["failures"],
): Promise<void> {
  const { table } = writer.contract;
  if (isReservedTable(table)) return;
  const columns = (await describe(writer))?.columns ?? [];
  const published = deps.schemas.known(table);
  const inherited = await pinnedOfOld(writer, deps, files, failures);
  const pinned = columns.length > 0 ? (published?.pinned ?? inherited ?? firstPinned(files, failures)) : undefined;
  const same = sameColumns(published?.columns ?? [], columns) && (published?.pinned ?? pinned) === published?.pinned;
  const decided = published?.sourceOffset ?? -1;
  // Parsers forget a table at the end of its renaming, also if it does not take place.
  const forgotten = files.some((file) => failures.has(file) && file.operation?.kind === "rename");
  const expected = forgotten || files.some((file) => file.sourceOffset > decided && brings(table, columns, file));
  if (same && !expected) return;
  await publish(writer, deps, { sourceOffset: files.at(-1)!.sourceOffset, columns, pinned });
}

/** Whether `publishAfter` has nothing to publish if all of these files are committed. */
export function isPublished(
  { contract: { table }, description }: Pick<WriterContext, "contract" | "description">,
  { schemas }: Pick<PublishingDeps, "schemas">,
  files: readonly EndedFile[],
): boolean {
  if (description === undefined || description === "unknown") return false;
  const { columns } = description;
  const published = schemas.known(table);
  // Read again, a file may bring other columns.
  const mayBring = (file: EndedFile): boolean =>
    file.operation !== undefined || file.unplanned !== undefined || brings(table, columns, file);
  return (
    isReservedTable(table) ||
    (sameColumns(published?.columns ?? [], columns) &&
      (published?.pinned ?? firstPinned(files, new Map())) === published?.pinned &&
      !files.some(mayBring))
  );
}

/** A table that gets a new name is written as under the old one. */
async function pinnedOfOld(
  { persist }: WriterContext,
  { schemas }: PublishingDeps,
  files: readonly EndedFile[],
  failures: CommitResult["failures"],
): Promise<PublishedSchema["pinned"]> {
  const [file] = files;
  const operation = file && !failures.has(file) ? file.operation : undefined;
  if (operation?.kind !== "rename" || operation.step !== "begin") return undefined;
  return (await persist("publish", () => schemas.of(operation.from)))?.pinned;
}

async function publish(writer: WriterContext, deps: PublishingDeps, schema: PublishedSchema): Promise<void> {
  const { table } = writer.contract;
  const mayHelp = (thrown: unknown): boolean =>
    !hasCode(thrown, "ASSIGNMENT_LOST") && !hasCode(thrown, "LOG_RECORD_TOO_LARGE");
  try {
    await writer.persist("publish", () => deps.schemas.publish(table, schema), { retryable: mayHelp });
  } catch (thrown) {
    if (!hasCode(thrown, "LOG_RECORD_TOO_LARGE")) throw thrown;
    deps.logger.error({ table, err: thrown, columns: schema.columns.length }, "the table's columns exceed one message");
  }
}

/** How the first committed file with a row was written. */
const firstPinned = (files: readonly EndedFile[], failures: CommitResult["failures"]): PublishedSchema["pinned"] =>
  files
    .filter((file) => !failures.has(file) && file.end.outcome === "complete" && file.stage.rowCount > 0)
    .map(({ end }) => pinnedBy(end))
    .find((pinned) => pinned !== undefined);

/** Whether the file has columns that the table lacks, or conflicts with it. */
function brings(table: string, columns: readonly ColumnDefinition[], { end }: EndedFile): boolean {
  if (end.outcome !== "complete") return false;
  try {
    const { added, widened } = evolve(table, columns, end.columns as ColumnDefinition[]);
    return added.length + widened.length > 0;
  } catch {
    return true;
  }
}
