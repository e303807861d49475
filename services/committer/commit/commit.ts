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

/** Calls `attempt` again and again while its error is `retryable` and the lane lives. */
export type Persist = <T>(
  step: string,
  attempt: () => Promise<T>,
  retryable?: (thrown: unknown) => boolean,
) => Promise<T>;

/** The one writer of a table, as long as its lane lives. */
export interface WriterContext {
  readonly warehouse: Warehouse;
  readonly contract: Contract;
  readonly persist: Persist;
  readonly signal: AbortSignal;
  /** Throws ASSIGNMENT_LOST if the table has got another writer. */
  confirmOwner(): Promise<void>;
  /** Must a command make way: because the writer drains, or because rows have waited for longer than `afterMs`? */
  mustYield(afterMs: number): boolean;
  /** What the table looks like, as this writer last saw it; "unknown" makes it look again. */
  description: TableDescription | undefined | "unknown";
}

/** What became of a micro-batch's files in the table. */
export interface CommitResult {
  receipts: CommitReceipt[];
  /** Files that are not in the table, and why. All others are. */
  failures: Map<EndedFile, Failure>;
}

interface Version {
  file: EndedFile;
  version: FileVersion;
}

/**
 * Brings a micro-batch into its table. What a parser failed, and what does not fit the table, stays out; the rest is one commit. Retryable
 * trouble is outlasted. If the commit fails for good, the batch is halved until the file at fault stands alone: that one
 * fails and the others are in. Throws only when the lane ends.
 */
export async function commitFiles(writer: WriterContext, files: readonly EndedFile[]): Promise<CommitResult> {
  let planned = plan(files, await describe(writer), writer.contract);
  if (planned.conflicts) {
    writer.description = "unknown";
    planned = plan(files, await describe(writer), writer.contract);
  }
  const { versions, failures } = planned;
  return { receipts: await commitVersions(writer, versions, failures), failures };
}

async function describe(writer: WriterContext): Promise<TableDescription | undefined> {
  if (writer.description === "unknown") {
    const { table } = writer.contract;
    writer.description = await writer.persist("describe", () => writer.warehouse.describe(table), anyTrouble);
  }
  return writer.description;
}

/** For steps that cannot fail for a file's sake: whatever the trouble, it has to pass. */
const anyTrouble = (): boolean => true;

interface Plan {
  versions: Version[];
  failures: Map<EndedFile, Failure>;
  conflicts: boolean;
}

function plan(files: readonly EndedFile[], table: TableDescription | undefined, contract: Contract): Plan {
  const versions: Version[] = [];
  const failures = new Map<EndedFile, Failure>();
  let columns: readonly ColumnDefinition[] = table?.columns ?? [];
  let conflicts = false;
  for (const file of files) {
    const failure = parseFailureOf(file);
    if (failure) {
      failures.set(file, failure);
      continue;
    }
    const { fileId, sourceFile, sourceOffset, end, stage } = file;
    if (end.outcome === "deleted") {
      const exists = table !== undefined || versions.length > 0;
      if (contract.onDelete === "remove" && exists) {
        versions.push({ file, version: { fileId, sourceFile, sourceOffset, columns: [] } });
      }
      continue;
    }
    // The parser took the types from lib/columns; the schema of the message only says string.
    const fileColumns = end.columns as ColumnDefinition[];
    try {
      columns = evolve(contract.table, columns, fileColumns).columns;
      versions.push({ file, version: { fileId, sourceFile, sourceOffset, columns: fileColumns, stage } });
    } catch (conflict) {
      conflicts = true;
      failures.set(file, commitFailureOf(conflict));
    }
  }
  return { versions, failures, conflicts };
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

/** For deletions from a table that was never made. */
const NOTHING_TO_DO: CommitReceipt = {
  snapshotId: null,
  strategy: "none",
  rowsInserted: 0,
  rowsUpdated: 0,
  rowsDeleted: 0,
};

/** Makes the table, or brings it to the columns these versions need; costs nothing when it has them. False: there is no table and need be none. */
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
