import type { ColumnDefinition } from "../../../lib/columns.ts";
import type { Contract } from "../../../lib/contract/contract.ts";
import { hasCode, isRetryable } from "../../../lib/errors.ts";
import { evolve } from "../../../lib/warehouse/schema-evolution.ts";
import type {
  CommitReceipt,
  FileVersion,
  TableDescription,
  TableLayout,
  Warehouse,
} from "../../../lib/warehouse/warehouse.ts";
import { commitFailureOf, parseFailureOf, type Failure } from "./outcome.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import { readRecord, type OnRecord } from "./repetitions.ts";

/** Retries `attempt` while its error is `retryable` and the writer has its assignment. */
export type Persist = <T>(
  step: string,
  attempt: () => Promise<T>,
  retryable?: (thrown: unknown) => boolean,
) => Promise<T>;

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
  /** The table as this writer last read it; undefined: no such table; "unknown": read it again. */
  description: TableDescription | undefined | "unknown";
  /** RecordedVersions.incomplete, with this writer's own files; "unknown": read it. */
  incomplete: number | undefined | "unknown";
}

/** The result of a micro-batch. */
export interface CommitResult {
  receipts: CommitReceipt[];
  /** Files that were not committed, with the reason. All others are in the table. */
  failures: Map<EndedFile, Failure>;
}

interface Version {
  file: EndedFile;
  version: FileVersion;
}

/**
 * Commits a micro-batch to its table. Excludes files that failed in the parser or conflict with the table;
 * commits the others together. Retries retryable errors without limit. If the commit fails with another
 * error, bisects the batch until the failing file is alone: only that file fails. Throws only when the
 * assignment ends.
 */
export async function commitFiles(writer: WriterContext, files: readonly EndedFile[]): Promise<CommitResult> {
  const recordNow = await readRecord(writer, files, anyError);
  let record = recordNow();
  let planned = plan(files, await describe(writer), writer.contract, record);
  if (planned.conflicts) {
    writer.description = "unknown";
    record = recordNow();
    planned = plan(files, await describe(writer), writer.contract, record);
  }
  const { versions, failures } = planned;
  const receipts = await commitVersions(writer, versions, failures);
  for (const [file, failure] of failures) record.failed(file, failure);
  if (writer.incomplete !== "unknown") writer.incomplete = record.incomplete;
  return { receipts, failures };
}

async function describe(writer: WriterContext): Promise<TableDescription | undefined> {
  if (writer.description === "unknown") {
    const { table } = writer.contract;
    writer.description = await writer.persist("describe", () => writer.warehouse.describe(table), anyError);
  }
  return writer.description;
}

/** For steps that no file can cause to fail: retries every error. */
const anyError = (): boolean => true;

interface Plan {
  versions: Version[];
  failures: Map<EndedFile, Failure>;
  conflicts: boolean;
}

function plan(
  files: readonly EndedFile[],
  table: TableDescription | undefined,
  contract: Contract,
  record: OnRecord,
): Plan {
  const versions: Version[] = [];
  const failures = new Map<EndedFile, Failure>();
  let columns: readonly ColumnDefinition[] = table?.columns ?? [];
  let conflicts = false;
  for (const file of files) {
    const failure = parseFailureOf(file) ?? record.superseded(file);
    if (failure) {
      record.failed(file, failure);
      failures.set(file, failure);
      continue;
    }
    const { end, stage } = file;
    const confirmsUpTo = record.confirmsUpTo(file);
    const version = { ...identityOf(file), ...(confirmsUpTo === undefined ? {} : { confirmsUpTo }) };
    if (end.outcome === "deleted") {
      const exists = table !== undefined || versions.length > 0;
      if (contract.onDelete === "remove" && exists) versions.push({ file, version: { ...version, columns: [] } });
      record.applied(file);
      continue;
    }
    // The message schema only says string, but the parser writes types of lib/columns.ts.
    const fileColumns = end.columns as ColumnDefinition[];
    try {
      columns = evolve(contract.table, columns, fileColumns).columns;
      versions.push({ file, version: { ...version, columns: fileColumns, stage } });
      record.applied(file);
    } catch (conflict) {
      conflicts = true;
      failures.set(file, commitFailureOf(conflict));
    }
  }
  return { versions, failures, conflicts };
}

function identityOf(file: EndedFile): Pick<FileVersion, "fileId" | "sourceFile" | "sourceOffset" | "versionOffset"> {
  const { fileId, sourceFile, sourceOffset, repeats } = file;
  return { fileId, sourceFile, sourceOffset, ...(repeats ? { versionOffset: repeats.versionOffset } : {}) };
}

async function commitVersions(
  writer: WriterContext,
  versions: readonly Version[],
  failures: Map<EndedFile, Failure>,
): Promise<CommitReceipt[]> {
  if (versions.length === 0) return [];
  const { warehouse, contract, signal } = writer;
  const confirmOwner = (): Promise<void> => writer.confirmOwner();
  try {
    const receipt = await writer.persist(
      "commit",
      async () => {
        if (!(await ensureTable(writer, versions))) return NOTHING_TO_DO;
        const files = versions.map(({ version }) => version);
        return warehouse.commit({ layout: layoutOf(contract), files }, { signal, confirmOwner });
      },
      isRetryable,
    );
    return [receipt];
  } catch (thrown) {
    if (signal.aborted || hasCode(thrown, "ASSIGNMENT_LOST")) throw thrown;
    writer.description = "unknown";
    if (versions.length === 1) {
      failures.set(versions[0]!.file, commitFailureOf(thrown));
      return [];
    }
    const middle = Math.ceil(versions.length / 2);
    const first = await commitVersions(writer, versions.slice(0, middle), failures);
    return [...first, ...(await commitVersions(writer, versions.slice(middle), failures))];
  }
}

/** Receipt of deletions from a table that does not exist. */
const NOTHING_TO_DO: CommitReceipt = {
  snapshotId: null,
  strategy: "none",
  rowsInserted: 0,
  rowsUpdated: 0,
  rowsDeleted: 0,
};

/**
 * Creates the table, or adds and widens the columns that these versions need; no warehouse call if it has
 * them. Returns false if the table does not exist and is not needed.
 */
async function ensureTable(writer: WriterContext, versions: readonly Version[]): Promise<boolean> {
  const description = await describe(writer);
  let columns: readonly ColumnDefinition[] = description?.columns ?? [];
  let changed = false;
  for (const { version } of versions) {
    const evolution = evolve(writer.contract.table, columns, version.columns);
    columns = evolution.columns;
    changed ||= evolution.added.length + evolution.widened.length > 0;
  }
  if (description && !changed) return true;
  if (versions.every(({ version }) => !version.stage)) return description !== undefined;
  writer.description = await writer.warehouse.ensureTable(layoutOf(writer.contract), columns);
  if (writer.contract.gate === "block") await writer.warehouse.hold(writer.contract.table, null);
  return true;
}

function layoutOf({ table, writeMode, key, deleteMissing, partitioning }: Contract): TableLayout {
  return { table, mode: writeMode, key, deleteMissing, partitioning };
}
