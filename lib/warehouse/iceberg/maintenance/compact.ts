import { TributaryError } from "../../../errors.ts";
import { duckdb } from "../../duckdb-engine/dialect.ts";
import { columnList } from "../../sql/sql.ts";
import type { MaintenanceOptions, MaintenanceResult } from "../../warehouse.ts";
import type { Snapshot, TableMetadata } from "../catalog/schemas.ts";
import type { IcebergContext } from "../commit/context.ts";
import { checkWritable } from "../tables/guards.ts";
import { orderBy } from "../tables/key-order.ts";
import { ForeignMetadataError } from "../manifests/avro-file.ts";
import { concurrentWrite } from "../errors.ts";
import { filesOf } from "./files.ts";
import { newSnapshotId, readManifests, type Entry, type Manifest } from "../manifests/manifests.ts";
import { isFew, writeFew } from "./few-rows.ts";
import { mergeSnapshot, type FilesLike } from "./merge-snapshot.ts";
import { firstStep, groupsOf, SMALL_BYTES, type Step } from "./plan.ts";
import { keyOf, newestRows, replaceFiles, rewriteFiles, snapshotIn } from "./rewrite-files.ts";
import type { Contents, NewSnapshotIds, Rewrite, Rewritten } from "./rewrite-files.ts";

/** The files of one step are at most so large, or it is one file. DuckDB rewrites 64 MiB in a few seconds. */
const STEP_BYTES_MAX = 64 * 1024 * 1024;
/** A step of fewer bytes is not divided: what takes long is not its rows. */
const STEP_BYTES_MIN = 4 * 1024 * 1024;

/** Where a compaction is. */
interface Cursor {
  /** Only files of the snapshots up to here are compacted, so that it ends beside a steady writer. */
  sequenceNumber: number;
  bytesMax: number;
}

export interface CompactionOptions extends Pick<MaintenanceOptions, "cursor" | "signal"> {
  /** Runs `work` while this process does not write the table. */
  alone: <T>(work: () => Promise<T>) => Promise<T>;
}

/**
 * Implements `optimize`: one step rewrites some small data files, and data files that position deletes refer
 * to. All other files stay.
 */
export async function compactTable(
  context: IcebergContext,
  table: string,
  { cursor, signal, alone }: CompactionOptions,
): Promise<MaintenanceResult> {
  const { tables, session } = context;
  const base = await tables.load(table);
  const current = base && snapshotIn(base);
  if (!base || !current) return { status: "completed", details: "the table is empty" };
  checkWritable(table, base);
  const at = cursorOf(cursor) ?? { sequenceNumber: base.lastSequenceNumber, bytesMax: STEP_BYTES_MAX };
  const rows = newestRows(context, table, base, current);
  if (rows === undefined) return { status: "completed", details: "the clock is behind the table's newest snapshot" };
  const compaction = { table, base, current, rows, signal, alone };
  try {
    // DuckDB would take the name for the column.
    if (base.fields.some(({ name }) => name.toLowerCase() === "filename"))
      throw new ForeignMetadataError("a column has the name of DuckDB's column of file names");
    const files = await filesIn(context, current);
    const step = stepOf(files, at);
    if (step.files.length === 0) return { status: "completed", details: "nothing to merge" };
    return await compactStep(context, compaction, { step, at, files });
  } catch (thrown) {
    if (!(thrown instanceof ForeignMetadataError)) throw thrown;
    const all = await filesOf(session, [current]);
    const small = all.filter(({ isData, bytes }) => isData && bytes < SMALL_BYTES);
    const partitions = new Set(small.map(({ partition }) => partition));
    const isDue = all.some(({ isData }) => !isData) || small.length > partitions.size;
    return isDue ? compactWhole(context, compaction) : { status: "completed", details: "nothing to merge" };
  }
}

const cursorOf = (text: string | undefined): Cursor | undefined => {
  const [, sequenceNumber, bytesMax] = /^(\d+) (\d+)$/.exec(text ?? "") ?? [];
  return sequenceNumber === undefined
    ? undefined
    : { sequenceNumber: Number(sequenceNumber), bytesMax: Number(bytesMax) };
};

const cursorText = ({ sequenceNumber, bytesMax }: Cursor): string => `${sequenceNumber} ${bytesMax}`;

/** A table that is compacted. */
interface Compaction {
  table: string;
  base: TableMetadata;
  current: Snapshot;
  /** SQL of its rows. */
  rows: string;
  signal: AbortSignal | undefined;
  alone: CompactionOptions["alone"];
}

/** The files of a snapshot. */
interface Files {
  manifests: readonly Manifest[];
  deletes: Deletes;
}

async function filesIn(context: IcebergContext, current: Snapshot): Promise<Files> {
  const manifests = await readManifests(context.buckets, current);
  return { manifests, deletes: await deletesIn(context, manifests) };
}

/** The paths of the data files that each file of position deletes refers to. */
type Deletes = ReadonlyMap<Entry, ReadonlySet<string>>;

async function deletesIn({ session }: IcebergContext, manifests: readonly Manifest[]): Promise<Deletes> {
  const found = new Map<Entry, ReadonlySet<string>>();
  for (const one of manifests.flatMap(({ entries }) => entries.filter(({ isData }) => !isData))) {
    const read = async (): Promise<string[]> => {
      const select = `SELECT DISTINCT file_path FROM read_parquet(${duckdb.stringLiteral(one.path)})`;
      return (await session.rows(select)).map(([path]) => String(path));
    };
    found.set(one, new Set(one.deletesFrom === undefined ? await read() : [one.deletesFrom]));
  }
  return found;
}

function stepOf({ manifests, deletes }: Files, { sequenceNumber, bytesMax }: Cursor): Step<Entry> {
  const deletedFrom = new Set([...deletes.values()].flatMap((paths) => [...paths]));
  const files = dataIn(manifests).filter((one) => one.sequenceNumber <= BigInt(sequenceNumber));
  return firstStep(
    groupsOf(files, ({ path }) => deletedFrom.has(path)),
    bytesMax,
  );
}

interface CompactionStep {
  step: Step<Entry>;
  at: Cursor;
  files: Files;
}

async function compactStep(
  context: IcebergContext,
  compaction: Compaction,
  { step, at, files }: CompactionStep,
): Promise<MaintenanceResult> {
  const { table, signal } = compaction;
  const paths = new Set(step.files.map(({ path }) => path));
  const details = `${step.files.length} files rewritten`;
  const select = selectOf(compaction, `WHERE filename IN (${duckdb.stringList([...paths])})`);
  try {
    const few = isFew(step.files) ? await writeFew(context, compaction.base, select) : undefined;
    const rewritten = few
      ? await compaction.alone(() => replaceBy(context, compaction, { paths, files, ...few }))
      : await rewriteRows(context, compaction, select, async (written, ids) => {
          const added = written ? await readManifests(context.buckets, written) : [];
          const rows = Number(written?.summary.get("total-records") ?? 0);
          return mergedContents(context, compaction, { paths, files, rows, added }, ids);
        });
    if (!rewritten) return CANNOT;
    return { status: "completed", details, ...(step.isLast ? {} : { next: cursorText(at) }) };
  } catch (thrown) {
    const bytes = step.files.reduce((sum, one) => sum + one.bytes, 0);
    if (!signal?.aborted || step.files.length === 1 || bytes < STEP_BYTES_MIN) throw thrown;
    context.bases.forget(table);
    return { status: "divided", details, next: cursorText({ ...at, bytesMax: Math.ceil(bytes / 2) }) };
  }
}

/** Files that go, and what replaces them. */
interface Replacement {
  /** Of the data files that go. */
  paths: ReadonlySet<string>;
  files: Files;
  /** Of the files that replace them. */
  rows: number;
  added: readonly FilesLike[];
}

function mergedContents(
  { buckets }: IcebergContext,
  { base, current }: Compaction,
  { paths, files: { manifests, deletes }, rows, added }: Replacement,
  ids: NewSnapshotIds,
): Promise<Contents> {
  const replaced = dataIn(manifests).filter(({ path }) => paths.has(path));
  checkRows(rows, replaced, deletes);
  const gone = new Set([...replaced, ...deletesThatGo(manifests, deletes, paths)]);
  const place = { ...ids, folder: `${base.location}/metadata`, parentId: current.id };
  return mergeSnapshot({ buckets, manifests, gone, added }, place);
}

/**
 * Commits files that are written already, on what the table is by now: others may have added files to it
 * since it was read.
 * @throws WAREHOUSE_CONFLICT if the rows of the files that go have changed, or the table's columns
 */
async function replaceBy(
  context: IcebergContext,
  compaction: Compaction,
  replacement: Replacement,
): Promise<NewSnapshotIds> {
  const { table, base, signal } = compaction;
  if (signal?.aborted) throw new TributaryError("WAREHOUSE_TIMEOUT", "the compaction was interrupted");
  const now = await context.tables.load(table);
  const current = now && snapshotIn(now);
  if (!now || !current || !isSameTable(now, base)) throw concurrentWrite(table);
  const isUnchanged = current.id === compaction.current.id;
  const files = isUnchanged ? replacement.files : await filesIn(context, current);
  if (!isUnchanged && !haveSameRows(files, replacement)) throw concurrentWrite(table);
  const ids = { snapshotId: newSnapshotId(), sequenceNumber: now.lastSequenceNumber + 1 };
  const later = { ...compaction, base: now, current };
  const contents = await mergedContents(context, later, { ...replacement, files }, ids);
  await replaceFiles(context, { ...later, operation: "replace" }, ids, contents);
  remember(context, later, ids);
  return ids;
}

const isSameTable = (now: TableMetadata, base: TableMetadata): boolean =>
  now.uuid === base.uuid && now.schemaId === base.schemaId && now.specId === base.specId;

/** True if the files that go are still there, with the same deletes. */
function haveSameRows(now: Files, { paths, files }: Pick<Replacement, "paths" | "files">): boolean {
  const deletesOf = ({ deletes }: Files): string[] =>
    [...deletes].flatMap(([{ path }, from]) => ([...from].some((one) => paths.has(one)) ? [path] : [])).toSorted();
  const still = dataIn(now.manifests).filter(({ path }) => paths.has(path));
  return still.length === paths.size && deletesOf(now).join("\n") === deletesOf(files).join("\n");
}

const dataIn = (manifests: readonly Manifest[]): Entry[] =>
  manifests.flatMap(({ entries }) => entries.filter(({ isData }) => isData));

/** Deletes that refer to no data file that stays. */
function deletesThatGo(manifests: readonly Manifest[], deletes: Deletes, gone: ReadonlySet<string>): Entry[] {
  const kept = new Set(
    dataIn(manifests)
      .map(({ path }) => path)
      .filter((path) => !gone.has(path)),
  );
  return [...deletes].filter(([, paths]) => ![...paths].some((path) => kept.has(path))).map(([one]) => one);
}

/** @throws ForeignMetadataError if DuckDB has read other rows than those of the files */
function checkRows(written: number, files: readonly Entry[], deletes: Deletes): void {
  const paths = new Set(files.map(({ path }) => path));
  const sum = (entries: readonly Entry[]): number => entries.reduce((total, { rows }) => total + rows, 0);
  const inFiles = sum(files);
  const deleted = sum([...deletes].filter(([, of]) => [...of].some((path) => paths.has(path))).map(([one]) => one));
  if (written > inFiles || written < inFiles - deleted)
    throw new ForeignMetadataError(`${written} rows were read from files of ${inFiles} with ${deleted} deletes`);
}

const CANNOT: MaintenanceResult = {
  status: "not_applicable",
  details: "the catalog gives columns or partitions other ids, so that no rows can be rewritten: optimize with Trino",
};

/** Rewrites all files: those of a table that another engine has written in a way that is not known here. */
async function compactWhole(context: IcebergContext, compaction: Compaction): Promise<MaintenanceResult> {
  const rewritten = await rewriteRows(context, compaction, selectOf(compaction, ""));
  return rewritten ? { status: "completed", details: "all files rewritten" } : CANNOT;
}

const namesOf = ({ fields }: TableMetadata): string => columnList(fields.map(({ name }) => name));

/** The table's rows as they are written again. */
const selectOf = ({ base, rows }: Compaction, where: string): string =>
  `SELECT ${namesOf(base)} FROM ${rows} ${where}${orderBy(keyOf(base))}`;

async function rewriteRows(
  context: IcebergContext,
  compaction: Compaction,
  select: string,
  merged?: Rewrite["merged"],
): Promise<Rewritten | undefined> {
  const { table, base, current, signal } = compaction;
  const rewritten = await rewriteFiles(context, {
    ...{ table, base, current, operation: "replace", writing: { signal } },
    write: (connection, into) => connection.run(`INSERT INTO ${into} (${namesOf(base)}) ${select}`),
    ...(merged ? { merged } : {}),
  });
  if (rewritten === undefined || rewritten === "unchanged") return undefined;
  remember(context, compaction, rewritten);
  return rewritten;
}

/** The base of this writer's next commit, unless somebody else may have written what was compacted. */
function remember(
  { bases }: IcebergContext,
  { table, base, current }: Compaction,
  { snapshotId }: Pick<Rewritten, "snapshotId">,
): void {
  const known = bases.get(table);
  const isKnown = known?.uuid === base.uuid && known.snapshotId === current.id;
  if (isKnown) bases.set(table, { ...known, snapshotId });
  else bases.forget(table);
}
