import type { Contract } from "../../../lib/contract/contract.ts";
import type { TableDescription, Warehouse } from "../../../lib/warehouse/warehouse.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import type { Persist } from "../lane/retries.ts";
import type { RebuildDeps } from "../rebuild/deps.ts";
import type { Cancels } from "../set-aside/cancels.ts";

/** What a commit or command needs of the table's only writer. */
export interface WriterContext {
  readonly warehouse: Warehouse;
  readonly contract: Contract;
  readonly persist: Persist;
  readonly signal: AbortSignal;
  /** @throws ASSIGNMENT_LOST if the table has another writer now */
  confirmOwner(): Promise<void>;
  /** True if a command must stop: the writer drains, or rows have waited longer than `afterMs`. */
  mustYield(afterMs: number): boolean;
  /** Which files are set aside or cancelled. */
  readonly cancels: Pick<Cancels, "of" | "begin" | "isTooLate" | "unlessCancelled">;
  /** The table as this writer last read it; undefined: no such table; "unknown": read it again. */
  description: TableDescription | undefined | "unknown";
  /** RecordedVersions.incomplete, with this writer's own files; "unknown": read it. */
  incomplete: number | undefined | "unknown";
}

/** Ends the retries of a step because one of its files was set aside meanwhile. */
export class SkipAsked extends Error {}

export function assertNoneSkipped(writer: WriterContext, files: readonly EndedFile[]): void {
  if (files.some(({ fileId }) => writer.cancels.of(fileId))) throw new SkipAsked("a file was set aside");
}

/** What a commit needs beyond that: it may be a rebuild. */
export interface CommittingWriter extends WriterContext {
  readonly rebuilding: RebuildDeps;
  /** Lets other tables commit while this one does something long. */
  releaseSlot(): void;
}

/** The table as this writer knows it; asks the warehouse if it does not. `files` need the answer. */
export async function describe(
  writer: WriterContext,
  files: readonly EndedFile[] = [],
): Promise<TableDescription | undefined> {
  if (writer.description === "unknown") {
    const { table } = writer.contract;
    const read = async (): Promise<TableDescription | undefined> => {
      assertNoneSkipped(writer, files);
      return writer.warehouse.describe(table);
    };
    const fileIds = files.map(({ fileId }) => fileId);
    writer.description = await writer.persist("describe", read, { retryable: anyError, fileIds });
  }
  return writer.description;
}

/** For steps that no file can cause to fail: retries every error. */
export const anyError = (thrown: unknown): boolean => !(thrown instanceof SkipAsked);
