import type { Contract } from "../../../lib/contract/contract.ts";
import { hasCode } from "../../../lib/errors.ts";
import type { FileOutcome } from "../../../lib/messages/generated.ts";
import { addedColumns, evolve, type ColumnDefinition } from "../../../lib/columns.ts";
import type {
  BatchRecords,
  CommitReceipt,
  FileVersion,
  MicroBatch,
  TableDescription,
} from "../../../lib/warehouse/warehouse.ts";
import { cureOf, probeTable, refusalOf } from "./cure.ts";
import { guardFailure } from "./guards.ts";
import { layoutOf, makeTable } from "./make-table.ts";
import { operate } from "./operations.ts";
import {
  commitFailureOf,
  lastOfEachFile,
  needsDeadLetter,
  NOTHING_TO_DO,
  parseFailureOf,
  recordOf,
  skipFailureOf,
  type Failure,
} from "./outcome.ts";
import type { EndedFile } from "../lane/parse-attempts.ts";
import { readRecord, type OnRecord } from "./repetitions.ts";
import { readAgain } from "../rebuild/read-again.ts";
import {
  anyError,
  assertNoneSkipped,
  describe,
  SkipAsked,
  type CommittingWriter,
  type WriterContext,
} from "./writer.ts";

/** The result of a micro-batch. */
export interface CommitResult {
  receipts: CommitReceipt[];
  /** Files that were not committed, with the reason. All others are in the table. */
  failures: Map<EndedFile, Failure>;
  /** What a rebuild made of the table's other files. */
  readAgain?: FileOutcome[];
  /** The outcomes of all files are on record. */
  isRecorded?: boolean;
}

export interface CommitFilesOptions {
  /** The warehouse may write the outcomes with the rows, if no dead letter is due. */
  withRecords?: boolean;
}

interface Version {
  file: EndedFile;
  version: FileVersion;
}

/**
 * Commits a micro-batch to its table. Excludes files that failed in the parser, conflict with the table or
 * were set aside by an operator; commits the others together. An error that is no file's fault is retried
 * without limit. A batch that is too large, or that contains a file which fails, is divided until that file
 * is alone: only that file fails (cure.ts). Throws only when the assignment ends.
 */
export async function commitFiles(
  writer: CommittingWriter,
  files: readonly EndedFile[],
  options: CommitFilesOptions = {},
): Promise<CommitResult> {
  const { left, failures } = await withoutSkipped(writer, files, (file) => file);
  try {
    const [first] = left;
    const operated = first && (await operate(writer, first));
    if (operated && "failure" in operated) return { receipts: [], failures: failures.set(first, operated.failure) };
    if (operated) {
      const { receipt, ...more } = operated;
      return { receipts: [receipt], failures, ...more };
    }
    await readUnplanned(writer, left);
    await readOutdatedAgain(writer, left);
    const recordNow = await readRecord(writer, left, anyError);
    let record = recordNow();
    let planned = plan(left, await describe(writer, left), writer.contract, record);
    if (planned.conflicts) {
      writer.description = "unknown";
      record = recordNow();
      planned = plan(left, await describe(writer, left), writer.contract, record);
    }
    for (const [file, failure] of planned.failures) failures.set(file, failure);
    const records = options.withRecords ? recordsOf(writer, files, failures) : undefined;
    const failuresBefore = failures.size;
    const receipts = await commitVersions(writer, planned.versions, failures, records);
    if (records && failures.size > failuresBefore) await withdrawRecords(writer);
    for (const [file, failure] of failures) record.failed(file, failure);
    if (writer.incomplete !== "unknown") writer.incomplete = record.incomplete;
    return { receipts, failures, isRecorded: receipts.some(({ isRecorded }) => isRecorded) };
  } catch (thrown) {
    if (thrown instanceof SkipAsked) return commitFiles(writer, files, options);
    throw thrown;
  }
}

/** Reads the files row by row whose load plans do not load. */
async function readUnplanned(writer: CommittingWriter, files: readonly EndedFile[]): Promise<void> {
  for (const file of files) {
    if (file.unplanned === undefined || file.end.outcome !== "complete" || file.missing) continue;
    const table = await describe(writer, files);
    if (await readAgain(writer, file, table?.columns ?? [])) Object.assign(file, { unplanned: undefined });
    else Object.assign(file, { missing: { code: "ROWS_MISSING", message: file.unplanned } });
  }
}

/** What the commit may write with the rows. Dead letters come before their records, so none may be due. */
function recordsOf(
  { contract, rebuilding: { clock } }: CommittingWriter,
  files: readonly EndedFile[],
  failures: ReadonlyMap<EndedFile, Failure>,
): BatchRecords | undefined {
  if ([...failures].some(([file, failure]) => needsDeadLetter(file, failure))) return undefined;
  const ended = lastOfEachFile(files.map((file) => recordOf(file, failures.get(file), contract.writeMode)));
  return { ended, recordedAtMs: clock.nowMs() };
}

/** An attempt may have left records without rows, of files that failed in a later attempt. */
async function withdrawRecords(writer: CommittingWriter): Promise<void> {
  const { warehouse, contract, persist } = writer;
  const options = { confirmOwner: () => writer.confirmOwner() };
  await persist("commit", () => warehouse.recover(contract.table, options));
}

/**
 * Reads the files again that were parsed for other columns than the table has, as when they were on their way
 * while the table was rebuilt: rows may have been rejected for the old types.
 */
async function readOutdatedAgain(writer: CommittingWriter, files: readonly EndedFile[]): Promise<void> {
  const table = await describe(writer, files);
  for (const file of table ? files : []) {
    if (file.end.outcome === "complete" && conflicts(table!, file)) await readAgain(writer, file, table!.columns);
  }
}

function conflicts({ table, columns }: TableDescription, { end }: EndedFile): boolean {
  try {
    evolve(table, columns, end.columns as ColumnDefinition[]);
    return false;
  } catch (thrown) {
    if (hasCode(thrown, "SCHEMA_CONFLICT")) return true;
    throw thrown;
  }
}

/** Separates the files that an operator has set aside, or that were cancelled in time. */
async function withoutSkipped<T>(writer: WriterContext, all: readonly T[], fileOf: (one: T) => EndedFile) {
  const { cancels, persist } = writer;
  const failures = new Map<EndedFile, Failure>();
  const left: T[] = [];
  for (const one of all) {
    const file = fileOf(one);
    const skip = parseFailureOf(file) ? undefined : cancels.of(file.fileId);
    if (skip && !(skip.cancelled && (await persist("cancel", () => cancels.isTooLate(file))))) {
      failures.set(file, skipFailureOf(skip));
    } else left.push(one);
  }
  return { left, failures };
}

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
    const failure = failureOf(file, contract, record, columns);
    if (failure) {
      record.failed(file, failure);
      failures.set(file, failure);
      continue;
    }
    const { end, stage } = file;
    if (end.outcome === "complete" && stage.rowCount === 0 && stage.rejectCount > 0) {
      record.rejected(file);
      continue;
    }
    const confirmsUpTo = record.confirmsUpTo(file);
    const version = { ...identityOf(file), ...(confirmsUpTo === undefined ? {} : { confirmsUpTo }) };
    if (end.outcome === "deleted") {
      const exists = table !== undefined || versions.length > 0;
      const undo = file.operation?.kind === "undo" ? { undo: file.operation.step } : undefined;
      const removes = undo !== undefined || contract.onDelete === "remove";
      if (removes && exists) versions.push({ file, version: { ...version, columns: [], ...undo } });
      record.applied(file);
      continue;
    }
    // The message schema only says string, but the parser writes types of lib/columns.ts.
    let fileColumns = end.columns as ColumnDefinition[];
    if (stage.rowCount === 0) fileColumns = withoutChange(columns, fileColumns);
    if (stage.rowCount === 0 && columns.length === 0) {
      // There is no table, and no row to make one for.
      record.applied(file);
      continue;
    }
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

/** Why the file is not applied to the table with these columns; undefined: it may be. */
function failureOf(
  file: EndedFile,
  contract: Contract,
  record: OnRecord,
  columns: readonly ColumnDefinition[],
): Failure | undefined {
  const parseFailure = parseFailureOf(file);
  if (parseFailure && parseFailure.code !== "FILE_EMPTY") return parseFailure;
  const superseded = parseFailure ? undefined : record.superseded(file);
  if (superseded) return superseded;
  const { end, stage } = file;
  const isLoaded = end.outcome === "complete" && stage.rowCount > 0;
  const added = isLoaded ? addedColumns(contract.table, columns, end.columns as ColumnDefinition[]) : [];
  return guardFailure(file, contract, { before: record.before(file), added }) ?? parseFailure;
}

/** A file without a loaded row changes no columns. */
function withoutChange(table: readonly ColumnDefinition[], file: ColumnDefinition[]): ColumnDefinition[] {
  const names = new Set(file.map(({ name }) => name));
  return table.filter(({ name }) => names.has(name));
}

async function commitVersions(
  writer: WriterContext,
  versions: readonly Version[],
  failures: Map<EndedFile, Failure>,
  records?: BatchRecords,
): Promise<CommitReceipt[]> {
  if (versions.length === 0) return [];
  try {
    return [await commitTogether(writer, versions, records)];
  } catch (thrown) {
    if (writer.signal.aborted || hasCode(thrown, "ASSIGNMENT_LOST")) throw thrown;
    if (thrown instanceof SkipAsked) {
      const { left, failures: skipped } = await withoutSkipped(writer, versions, ({ file }) => file);
      for (const [file, failure] of skipped) failures.set(file, failure);
      return commitVersions(writer, left, failures);
    }
    if (versions.length === 1) {
      failures.set(versions[0]!.file, commitFailureOf(thrown));
      return [];
    }
    const middle = Math.ceil(versions.length / 2);
    const first = await commitVersions(writer, versions.slice(0, middle), failures);
    return [...first, ...(await commitVersions(writer, versions.slice(middle), failures))];
  }
}

/** A commit that no repetition helps. Its cause is the error of the last attempt. */
class Hopeless extends Error {}

/** One commit, repeated as long as that may help. @throws the error of the last attempt, SkipAsked */
async function commitTogether(
  writer: WriterContext,
  versions: readonly Version[],
  records: BatchRecords | undefined,
): Promise<CommitReceipt> {
  const { warehouse, contract, signal } = writer;
  const confirmOwner = (): Promise<void> => writer.confirmOwner();
  const endedFiles = versions.map(({ file }) => file);
  const layout = layoutOf(contract);
  const batch: MicroBatch = {
    layout,
    files: versions.map(({ version }) => version),
    ...(records ? { records } : {}),
  };
  let number = 0;
  const attempt = async (): Promise<CommitReceipt> => {
    assertNoneSkipped(writer, endedFiles);
    await writer.cancels.begin(endedFiles);
    number++;
    try {
      if (!(await ensureTable(writer, versions))) return NOTHING_TO_DO;
      return await warehouse.commit(batch, { signal, confirmOwner });
    } catch (thrown) {
      if (signal.aborted || thrown instanceof SkipAsked || hasCode(thrown, "ASSIGNMENT_LOST")) throw thrown;
      // Somebody may have changed or dropped the table.
      writer.description = "unknown";
      let refusal: unknown;
      const probe = async (): Promise<unknown> => (refusal = await probeTable(warehouse, layout, confirmOwner));
      const cure = await cureOf({ thrown, attempt: number, files: versions.length, probe });
      if (cure === "repeat") throw refusal === undefined ? thrown : refusalOf(refusal);
      throw new Hopeless(cure, { cause: thrown });
    }
  };
  const retryable = (thrown: unknown): boolean =>
    !(thrown instanceof SkipAsked || thrown instanceof Hopeless || hasCode(thrown, "ASSIGNMENT_LOST"));
  try {
    return await writer.persist("commit", attempt, { retryable, fileIds: endedFiles.map(({ fileId }) => fileId) });
  } catch (thrown) {
    throw thrown instanceof Hopeless ? thrown.cause : thrown;
  }
}

/**
 * Creates the table, or adds and widens the columns that these versions need; no warehouse call if it has
 * them. Returns false if the table does not exist and is not needed.
 */
async function ensureTable(writer: WriterContext, versions: readonly Version[]): Promise<boolean> {
  const description = await describe(
    writer,
    versions.map(({ file }) => file),
  );
  let columns: readonly ColumnDefinition[] = description?.columns ?? [];
  let changed = false;
  for (const { version } of versions) {
    const evolution = evolve(writer.contract.table, columns, version.columns);
    columns = evolution.columns;
    changed ||= evolution.added.length + evolution.widened.length > 0;
  }
  if (description && !changed) return true;
  if (versions.every(({ version }) => !version.stage)) return description !== undefined;
  writer.description = await makeTable(writer, columns);
  return true;
}
